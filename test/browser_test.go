package test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// webSecret is the server's client secret at the providers.
const webSecret = "a secret with % and : in it"

// browserSettings are a server that signs browsers in as three clients of two providers:
// "dev" (the development provider's, confidential; the database's default), "site"
// (panva's, public, told of logouts by user) and "web" (panva's, confidential, told of
// logouts by sign-in).
func browserSettings(p *panva) harness.Settings {
	return harness.Settings{
		Provider: `client_secret {env.WEB_SECRET}
			scope          openid profile email
			username_claim preferred_username
			register`,
		IDPClient: `secret {env.WEB_SECRET}
			backchannel_logout {{.URL}}/notes/_oidc_backchannel_logout`,
		Sync: strings.ReplaceAll(`oidc site {
			issuer         ISSUER
			client_id      notes-site
			scope          openid profile email
			username_claim preferred_username
			user_prefix    site
			register
		}
		oidc web {
			issuer         ISSUER
			client_id      notes-web
			client_secret  {env.WEB_SECRET}
			scope          openid profile email
			username_claim preferred_username
			user_prefix    web
			register
		}`, "ISSUER", p.Issuer),
		DatabaseOIDC: "dev site web",
		Database:     "default_provider dev",
		Site:         "cors {\norigins " + appOrigin + "\ncredentials\n}",
	}
}

// withBrowserProviders runs a test with each of the clients of browserSettings, at one
// server.
func withBrowserProviders(t *testing.T, run func(t *testing.T, s site, env map[string]string)) {
	t.Helper()

	provider := newPanva(t)
	server := harness.New(t, harness.Options{Settings: browserSettings(provider), Env: []string{"WEB_SECRET=" + webSecret}})
	provider.knows(server, webSecret)
	provider.start()

	for name, s := range map[string]struct {
		site site
		env  map[string]string
	}{
		"devidp":             {site{Server: server, issuer: server.Issuer}, map[string]string{"PROVIDER": "dev", "BY_SESSION": "yes"}},
		"panva public":       {site{Server: server, issuer: provider.Issuer}, map[string]string{"PROVIDER": "site", "USER_NAME": "sam"}},
		"panva confidential": {site{Server: server, issuer: provider.Issuer}, map[string]string{"PROVIDER": "web", "USER_NAME": "wendy", "BY_SESSION": "yes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s.env["APP"] = appOrigin
			run(t, s.site, s.env)
		})
	}
}

func TestTheServerSignsBrowsersIn(t *testing.T) {
	t.Parallel()
	withBrowserProviders(t, func(t *testing.T, s site, env map[string]string) {
		t.Helper()

		script := s.run(t, "browser", env)
		require.NotEmpty(t, event[struct{ Name string }](t, script, "signed-in").Name)
	})
}

func TestSigningOutEndsTheSignInOnBothSides(t *testing.T) {
	t.Parallel()
	withBrowserProviders(t, func(t *testing.T, s site, env map[string]string) {
		t.Helper()

		if env["USER_NAME"] == "" {
			env["USER_NAME"] = "bob"
		}

		for _, e := range s.run(t, "logout", env).Events() {
			if e.Name == "ended" {
				var ended struct {
					What string
					MS   int
				}

				require.NoError(t, e.Into(&ended))
				t.Logf("a feed ended %d ms after %s", ended.MS, ended.What)
			}
		}
	})
}

// F20: the provider is down at the start; the first sign-in fails, and later ones work
// without a restart.
func TestF20_SigningBrowsersInWaitsForTheProvider(t *testing.T) {
	t.Parallel()

	provider := newPanva(t)
	server := harness.New(t, harness.Options{Settings: browserSettings(provider), Env: []string{"WEB_SECRET=" + webSecret}})
	login := request{url: "/notes/_oidc?provider=web"}

	down := ask(t, server, login)
	require.Contains(t, []int{http.StatusBadGateway, http.StatusServiceUnavailable}, down.status, down.body)

	// Nobody else is kept waiting.
	require.Equal(t, http.StatusFound, ask(t, server, request{url: "/notes/_oidc"}).status)

	provider.knows(server, webSecret)
	provider.start()
	eventually(t, 40*time.Second, func() bool { return ask(t, server, login).status == http.StatusFound })

	s := site{Server: server, issuer: provider.Issuer}
	s.run(t, "browser", map[string]string{"PROVIDER": "web", "USER_NAME": "wendy", "APP": appOrigin})

	// Down later: what needs the provider fails, as its failure and not as ours.
	provider.stop()

	refused := ask(t, server, request{
		method: http.MethodPost, url: "/notes/_oidc_refresh?provider=web", body: `{"refresh_token":"any"}`,
	})
	require.Contains(t, []int{http.StatusBadGateway, http.StatusServiceUnavailable}, refused.status, refused.body)
}
