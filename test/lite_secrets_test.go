package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// sendLite sends secrets by Couchbase Lite: credentials of every kind in good and in bad
// handshakes, and what documents, checkpoints and words of the client hold.
func (p *planted) sendLite(t *testing.T, server *harness.Server) {
	t.Helper()

	session := cookie(t, server, "bob")
	_, id, _ := strings.Cut(session, "=")
	token := bearer(t, server, "bob")
	once := []string{oneTime(t, server, token), oneTime(t, server, map[string]string{"Cookie": session}), oneTime(t, server, token)}

	p.secrets = append(p.secrets, id, strings.TrimPrefix(token["Authorization"], "Bearer "))
	p.secrets = append(p.secrets, once...)

	for _, version := range liteVersions {
		protocol := fmt.Sprintf("BLIP_3+CBMobile_%d", version)

		for _, o := range []harness.LiteOptions{
			{Header: headers(token)},
			{Header: headers(map[string]string{"Cookie": strings.ToLower("SyncGatewaySession") + "=" + id})},
			{Protocols: []string{protocol, "SyncGatewaySession_" + once[version-2]}},
		} {
			o.Version = version

			l := lite(t, server.URL+"/notes", o)
			p.answers = append(p.answers, l.Head())
			p.talk(t, l)

			o.Header = nil // now nobody's, or a token again that was used
			refused := refusedLite(t, server.URL+"/notes", o)
			p.answers = append(p.answers, fmt.Sprint(refused.Header, refused.Body))
		}
	}

	broken := "planted-once-0123456789abcdef0123456789abcdefg"
	p.secrets = append(p.secrets, broken)
	refused := refusedLite(t, server.URL+"/notes", harness.LiteOptions{Protocols: []string{"SyncGatewaySession_" + broken}})
	p.answers = append(p.answers, fmt.Sprint(refused.Header, refused.Body))
}

// talk has a client send what is nobody's business, in good requests and in bad ones.
func (p *planted) talk(t *testing.T, l *harness.Lite) {
	t.Helper()

	plant := func(what string) string {
		secret := "planted-" + what + "-" + strings.ReplaceAll(l.NewRev(1), "@", "-at-")
		p.secrets = append(p.secrets, secret)

		return secret
	}
	ctx, cancel := context.WithTimeout(t.Context(), liteLimit)

	defer cancel()

	_, since, err := l.Open(ctx, "cp-secrets")
	require.NoError(t, err)

	good := plant("body")
	push(t, l, "secret-"+strings.ReplaceAll(l.NewRev(1), "@", "-"), `{"a":"`+good+`"}`)

	for _, bad := range []struct {
		profile, body string
		props         []string
	}{
		{"rev", `{"a":"` + plant("cut"), []string{"id", "b", "rev", l.NewRev(1)}},
		{"rev", `{"_reserved":"x","_id":"` + plant("reserved") + `"}`, []string{"id", "b", "rev", l.NewRev(1)}},
		{"rev", `{"a":"` + plant("delta") + `"}`, []string{"id", "b", "rev", l.NewRev(1), "deltaSrc", "1-abc"}},
		{"rev", `{"a":"` + plant("revision") + `"}`, []string{"id", "b", "rev", "no revision"}},
		{"rev", `{"_attachments":{"x":{"data":"` + plant("attachment") + `"}}}`, []string{"id", "b", "rev", l.NewRev(1)}},
		{"proposeChanges", `[["` + plant("proposal"), nil},
		{"setCheckpoint", `{"a":"` + plant("checkpoint") + `"}`, []string{"client", "cp-new", "rev", "0-77"}},
		{"setCheckpoint", `["` + plant("list") + `"]`, []string{"client", "cp-new"}},
		{"subChanges", `{"docIDs":"` + plant("ids") + `"}`, []string{"since", plant("since")}},
		{"nosuch", plant("unknown"), nil},
	} {
		_, err := l.Call(ctx, bad.profile, bad.body, bad.props...)

		var refused *blip.PeerError

		require.ErrorAs(t, err, &refused, bad.profile)
		p.answers = append(p.answers, refused.Text, refused.Error())
	}

	require.NoError(t, l.Pull(ctx, since, true))
	require.NoError(t, l.Await(ctx, (*harness.LiteState).Idle))
	l.Conn.Close(websocket.StatusInternalError, plant("goodbye"))
	<-l.Ended()
}
