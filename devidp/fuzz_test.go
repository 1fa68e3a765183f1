package devidp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// What passes as a loopback URL must be one however it is read: by Go, or by a browser,
// which takes backslashes for slashes and drops tabs and line breaks.
func FuzzLoopbackURL(f *testing.F) {
	for _, seed := range []string{
		"http://localhost:5173/a?b=c", "http://[::1]/", "https://127.0.0.1", `http://localhost\@evil.example/`,
		"http://localhost:80@evil.example/", "http://local\thost/", "//localhost", "http://localhost#@evil.example",
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, raw string) {
		if !isLoopbackURL(raw) {
			return
		}

		asBrowser := strings.NewReplacer(`\`, "/", "\t", "", "\n", "", "\r", "").Replace(strings.TrimSpace(raw))
		require.Equal(t, raw, asBrowser)

		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.Contains(t, []string{"localhost", "127.0.0.1", "::1"}, strings.ToLower(u.Hostname()))
		require.Nil(t, u.User)
	})
}

// No form makes a token for another issuer or audience, or of somebody not listed, or a panic.
func FuzzDevToken(f *testing.F) {
	f.Add("alice", "15m", `{"roles":["a"]}`, "EdDSA", "notes", "text/plain")
	f.Add("", "-1", `{"\u0065xp":1}`, "none", "x", "*/*;q=0.1, text/plain")
	f.Add("bob", "9223372036854775807", `{"aud":null}`, "ES256", "other", ",;=")

	state := newShared(f.TempDir())

	s := settings{issuer: "http://localhost/idp", base: "/idp", clients: []Client{{ID: "notes"}}, users: []User{{Name: "alice"}}, algorithm: "EdDSA", tokenLifetime: defaultTokenLifetime}

	p, err := newProvider(s, state, zap.NewNop())
	require.NoError(f, err)

	f.Fuzz(func(t *testing.T, user, ttl, claims, algorithm, client, accept string) {
		r := loopbackRequest(http.MethodPost, "/idp/dev/token", url.Values{
			"user": {user}, "ttl": {ttl}, "claims": {claims}, "alg": {algorithm}, "client_id": {client},
		})
		r.Header.Set("Accept", accept)

		got := serve(&Handler{provider: p}, r)
		if got.status != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, got.status)

			return
		}

		token := got.body
		if strings.HasPrefix(token, "{") {
			token, _ = got.json(t)["id_token"].(string)
		}

		keys := serve(&Handler{provider: p}, loopbackRequest(http.MethodGet, "/idp/keys", nil))
		_, signed := verifyWith(t, keys.body, token)
		require.Equal(t, "http://localhost/idp", signed["iss"])
		require.Equal(t, []any{"notes"}, signed["aud"])
		require.Contains(t, signed, "exp")
		require.Equal(t, "alice", user)
		require.True(t, json.Valid([]byte(claims)))
	})
}
