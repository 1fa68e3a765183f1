package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// tokenIssuer is an identity provider whose keys are on this machine.
type tokenIssuer struct {
	t      testing.TB
	url    string
	signer jose.Signer
}

func newTokenIssuer(tb testing.TB) *tokenIssuer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}}
	text, err := json.Marshal(public)
	require.NoError(tb, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}))
	tb.Cleanup(server.Close)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	require.NoError(tb, err)
	return &tokenIssuer{t: tb, url: server.URL, signer: signer}
}

func (i *tokenIssuer) provider() auth.Provider {
	return auth.Provider{
		Name: "idp", Issuer: i.url, ClientIDs: []string{"app"}, JWKSURL: i.url + "/jwks", Register: true,
		UsernameClaim: "preferred_username", RolesClaim: "roles", ChannelsClaim: "channels",
	}
}

// token is a signed ID token of the account; claims are added to the usual ones.
func (i *tokenIssuer) token(subject string, claims map[string]any) string {
	i.t.Helper()
	now := time.Now().Unix()
	all := map[string]any{
		"iss": i.url, "aud": "app", "sub": subject, "preferred_username": subject, "iat": now, "exp": now + 600,
	}
	maps.Copy(all, claims)
	text, err := json.Marshal(all)
	require.NoError(i.t, err)
	signed, err := i.signer.Sign(text)
	require.NoError(i.t, err)
	compact, err := signed.CompactSerialize()
	require.NoError(i.t, err)
	return compact
}
