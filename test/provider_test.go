package test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// panva is panva's oidc-provider in a Node process of its own.
type panva struct {
	Issuer string

	t    *testing.T
	env  map[string]string
	node *harness.Node
}

// newPanva finds a port and keys for a provider; Start runs it, as often as wanted.
func newPanva(t *testing.T) *panva {
	t.Helper()

	port, err := harness.FreePort()
	require.NoError(t, err)

	return &panva{
		Issuer: fmt.Sprintf("http://127.0.0.1:%d", port),
		t:      t,
		env:    map[string]string{"PORT": strconv.Itoa(port), "KEYS": filepath.Join(t.TempDir(), "keys.json")},
	}
}

func (p *panva) start() {
	p.t.Helper()

	p.node = harness.NewScript(p.t, harness.Script{Path: "idp/op.mjs", Env: p.env})
	_, err := p.node.Await(p.t.Context(), "listening")
	require.NoError(p.t, err)

	node := p.node
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("output of the provider at %s:\n%s", p.Issuer, node.Output())
		}
	})
}

func (p *panva) stop() {
	p.t.Helper()
	require.NoError(p.t, p.node.Close())
}

// rotate restarts the provider with new keys; the old ones stay published with keep.
func (p *panva) rotate(keep bool) {
	p.t.Helper()
	p.stop()

	p.env["ROTATE"] = "drop"
	if keep {
		p.env["ROTATE"] = "keep"
	}

	p.start()
	delete(p.env, "ROTATE") // the next start is with the keys of now
}

// knows registers the sync server as clients of the provider (idp/op.mjs): notes-site is
// the server's provider "site", notes-web its provider "web", with this secret.
func (p *panva) knows(s *harness.Server, secret string) {
	callback := s.URL + "/notes/_oidc_callback?provider="
	p.env["CALLBACKS"] = callback + "site " + callback + "web"
	p.env["AFTER_LOGOUT"] = appOrigin + "/bye"
	p.env["BACKCHANNEL"] = s.URL + "/notes/_oidc_backchannel_logout"
	p.env["SECRET"] = secret
}

// settings are a database that takes this provider's tokens besides the development
// provider's.
func (p *panva) settings() harness.Settings {
	return harness.Settings{
		Sync: fmt.Sprintf(`oidc panva {
			issuer         %s
			client_id      notes notes-es notes-ed
			username_claim preferred_username
			register
		}`, p.Issuer),
		Provider:     "username_claim preferred_username\nregister",
		NoIDP:        true,
		DatabaseOIDC: "panva",
	}
}

// site is a server with the provider whose users sign in.
type site struct {
	*harness.Server

	issuer string
}

// withProviders runs a test with each provider.
func withProviders(t *testing.T, run func(t *testing.T, s site)) {
	t.Helper()
	t.Run("devidp", func(t *testing.T) {
		t.Parallel()

		server := harness.New(t, harness.Options{})
		run(t, site{Server: server, issuer: server.Issuer})
	})
	t.Run("panva", func(t *testing.T) {
		t.Parallel()

		provider := newPanva(t)
		provider.start()
		run(t, site{Server: harness.New(t, harness.Options{Settings: provider.settings()}), issuer: provider.Issuer})
	})
}

// withAdapters runs a test with each of PouchDB's adapters in Node.
func withAdapters(t *testing.T, run func(t *testing.T, adapter string)) {
	t.Helper()

	for _, adapter := range []string{"memory", "leveldb"} {
		t.Run(adapter, func(t *testing.T) {
			t.Parallel()
			run(t, adapter)
		})
	}
}
