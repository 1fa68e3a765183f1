package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// oneTime buys a token for one handshake, by what the headers say.
func oneTime(t *testing.T, s *harness.Server, header map[string]string) string {
	t.Helper()

	bought := ask(t, s, request{method: http.MethodPost, url: "/notes/_session?one_time=true", header: header})
	require.Equal(t, http.StatusOK, bought.status, bought.body)

	var answer struct {
		ID string `json:"one_time_session_id"`
	}

	require.NoError(t, json.Unmarshal([]byte(bought.body), &answer))
	require.NotEmpty(t, answer.ID)

	return answer.ID
}

// Row 1 of reference/blip.md 8.1: a browser cannot set headers, so that a token comes as a
// subprotocol.
func TestLiteOneTimeTokenOpensOneSocket(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)

	for name, buy := range map[string]map[string]string{
		"by a session": {"Cookie": cookie(t, h.Server, "alice")}, "by a bearer": bearer(t, h.Server, "alice"),
		"by a password": basicAuth("paul", "correct horse"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			for _, spoken := range [][]string{
				{"BLIP_3+CBMobile_3"},
				{"BLIP_3+CBMobile_4", "BLIP_3+CBMobile_3", "BLIP_3+CBMobile_2"},
				{"chat", "BLIP_3+CBMobile_9", "BLIP_3+CBMobile_2"},
			} {
				token := oneTime(t, h.Server, buy)
				want := spoken[0]

				if want == "chat" {
					want = spoken[2]
				}

				o := harness.LiteOptions{Protocols: append([]string{"SyncGatewaySession_" + token}, spoken...)}
				l := lite(t, h.URL+"/notes", o)
				require.Equal(t, want, l.Protocol)
				require.NotContains(t, l.Head(), token, "echoed")
				require.NotContains(t, l.Head(), "Set-Cookie")

				again := refusedLite(t, h.URL+"/notes", o)
				require.Equal(t, http.StatusUnauthorized, again.Status, again.Body)
				require.NotContains(t, again.Body+fmt.Sprint(again.Header), token)
				requireOpen(t, l)
				l.Close()
			}
		})
	}

	t.Run("last in the list", func(t *testing.T) {
		t.Parallel()

		token := oneTime(t, h.Server, bearer(t, h.Server, "alice"))
		l := lite(t, h.URL+"/notes", harness.LiteOptions{Protocols: []string{"BLIP_3+CBMobile_3", "SyncGatewaySession_" + token}})
		require.NotContains(t, l.Head(), token, "echoed")
	})
	t.Run("without a real one", func(t *testing.T) {
		t.Parallel()

		token := oneTime(t, h.Server, bearer(t, h.Server, "alice"))
		refused := refusedLite(t, h.URL+"/notes", harness.LiteOptions{Protocols: []string{"SyncGatewaySession_" + token}})
		require.Equal(t, http.StatusBadRequest, refused.Status, refused.Body)
		require.Contains(t, refused.Body, "BLIP_3+CBMobile_3", "the reason names what is spoken here")
		require.NotContains(t, refused.Body+fmt.Sprint(refused.Header), token)
	})
	t.Run("a bad one", func(t *testing.T) {
		t.Parallel()

		_, session, _ := strings.Cut(cookie(t, h.Server, "alice"), "=")
		for _, token := range []string{"nosuch", strings.Repeat("A", 43), session} {
			refused := refusedLite(t, h.URL+"/notes", harness.LiteOptions{Protocols: []string{"SyncGatewaySession_" + token, "BLIP_3+CBMobile_3"}})
			require.Equal(t, http.StatusUnauthorized, refused.Status, refused.Body)
			require.NotContains(t, refused.Body, token)
		}
	})
	t.Run("of another database", func(t *testing.T) {
		t.Parallel()

		token := oneTime(t, h.Server, basicAuth("paul", "correct horse"))
		refused := refusedLite(t, h.URL+"/strict", harness.LiteOptions{Protocols: []string{"SyncGatewaySession_" + token, "BLIP_3+CBMobile_3"}})
		require.Equal(t, http.StatusUnauthorized, refused.Status, refused.Body)
	})
	t.Run("its session ends", func(t *testing.T) {
		t.Parallel()

		header := map[string]string{"Cookie": cookie(t, h.Server, "alice")}
		l := lite(t, h.URL+"/notes", harness.LiteOptions{Protocols: []string{"SyncGatewaySession_" + oneTime(t, h.Server, header), "BLIP_3+CBMobile_3"}})
		pull(t, l, "", true)
		require.Equal(t, http.StatusOK, ask(t, h.Server, request{method: http.MethodDelete, url: "/notes/_session", header: header}).status)
		requireDropped(t, l, time.Second)
	})
}
