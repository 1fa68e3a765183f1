package test

import (
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

func TestSignInByCodeAndPKCEAtTheDevelopmentProvider(t *testing.T) {
	t.Parallel()

	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()

			server := harness.New(t, harness.Options{Settings: harness.Settings{IDP: "algorithm " + algorithm}})
			script := site{Server: server, issuer: server.Issuer}.run(t, "signin", map[string]string{
				"CLIENTS": "notes:" + algorithm,
				"SCOPE":   "openid profile email offline_access",
			})
			signedIn := event[struct {
				Name      string
				Refreshed bool
			}](t, script, "signed-in")

			require.Equal(t, "alice", signedIn.Name)
			require.True(t, signedIn.Refreshed)
		})
	}
}

func TestSignInByCodeAndPKCEAtPanvasProvider(t *testing.T) {
	t.Parallel()

	provider := newPanva(t)
	provider.start()

	server := harness.New(t, harness.Options{Settings: provider.settings()})
	script := site{Server: server, issuer: provider.Issuer}.run(t, "signin", map[string]string{
		"CLIENTS": "notes:RS256,notes-es:ES256,notes-ed:EdDSA",
		"SCOPE":   "openid profile email offline_access",
		"CONSENT": "yes", // panva gives refresh tokens only to those who were asked
	})
	signedIn := event[struct {
		Name      string
		Refreshed bool
	}](t, script, "signed-in")

	require.Equal(t, "alice", signedIn.Name)
	require.True(t, signedIn.Refreshed)
}
