package test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// keyProvider is a provider that can be stopped and can change its keys.
type keyProvider interface {
	issuer() string
	// token is an ID token of alice, signed by the key of now.
	token() string
	// rotate makes new keys; the old ones stay published with keep.
	rotate(keep bool)
	stop()
	start()
}

type panvaKeys struct{ *panva }

func (p panvaKeys) issuer() string { return p.Issuer }

func (p panvaKeys) token() string {
	p.t.Helper()

	return tokenOf(p.t, p.panva)
}

// devidpKeys is the development provider in a server of its own.
type devidpKeys struct {
	*harness.Server

	t *testing.T
}

const devidpCaddyfile = `{
	admin localhost:{{.ControlPort}}
	persist_config off
}

http://localhost:{{.Port}} {
	bind 127.0.0.1
	sync_dev_idp {
		issuer {{.Issuer}}
		client notes
		users  alice
		data   {{.Dir}}/idp
	}
	respond 404
}
`

func newDevidp(t *testing.T) devidpKeys {
	t.Helper()

	return devidpKeys{t: t, Server: harness.New(t, harness.Options{Caddyfile: devidpCaddyfile})}
}

func (d devidpKeys) issuer() string { return d.Issuer }

func (d devidpKeys) token() string {
	d.t.Helper()

	token, err := d.Token(d.t.Context(), "alice", nil)
	require.NoError(d.t, err)

	return token
}

func (d devidpKeys) rotate(keep bool) {
	d.t.Helper()

	form := "drop=true"
	if keep {
		form = "keep=1h"
	}

	made := ask(d.t, d.Server, request{
		method: http.MethodPost, url: d.Issuer + "/dev/rotate", body: form,
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
	})
	require.Equal(d.t, http.StatusOK, made.status, made.body)
}

func (d devidpKeys) stop() {
	d.t.Helper()
	require.NoError(d.t, d.Kill())
}

func (d devidpKeys) start() {
	d.t.Helper()
	require.NoError(d.t, d.Restart(d.t.Context()))
}

// withKeyProviders runs a test with each provider, running, and a server that takes its
// tokens and has not asked it for anything yet.
func withKeyProviders(t *testing.T, run func(t *testing.T, server *harness.Server, p keyProvider)) {
	t.Helper()

	for name, begin := range map[string]func(*testing.T) keyProvider{
		"devidp": func(t *testing.T) keyProvider {
			t.Helper()

			return newDevidp(t)
		},
		"panva": func(t *testing.T) keyProvider {
			t.Helper()

			p := newPanva(t)
			p.start()

			return panvaKeys{p}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := begin(t)
			run(t, harness.New(t, harness.Options{Settings: harness.Settings{
				NoIDP:        true,
				DatabaseOIDC: "other",
				Sync: strings.ReplaceAll(`oidc other {
					issuer         ISSUER
					client_id      notes
					username_claim preferred_username
					register
				}`, "ISSUER", p.issuer()),
			}}), p)
		})
	}
}
