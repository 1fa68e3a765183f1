package auth

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func everyProvider(*provider) bool { return true }

// Whatever claims a provider signs, a token that is accepted keeps its promises.
func FuzzSignedClaims(f *testing.F) {
	i := newIssuer(f)
	for n, b := range append(confusedClaims(), strangeSubjects()...) {
		if n%8 == 0 {
			f.Add(payloadOf(b.token(i)))
		}
	}
	f.Add(payloadOf(i.token("alice", map[string]any{"roles": []string{"a"}, "email": "a@b", "jti": "1", "nbf": 1.5, "azp": "app", "aud": []string{"x", "app"}})))
	w := newWorld(f, func(c *Config) {
		c.Providers[0].RolesClaim, c.Providers[0].ChannelsClaim = "roles", "a.channels"
	})
	f.Fuzz(func(t *testing.T, payload string) {
		tok := signText(t, "ec", goodHeader, payload)
		now := time.Now()
		v, refusal := w.service.verify(t.Context(), tok, everyProvider)
		if refusal != nil {
			requireRefusal(t, refusal)
			return
		}
		var want struct {
			Iss, Sub string
			Exp, Iat json.Number
		}
		require.NoError(t, json.Unmarshal([]byte(payload), &want))
		require.Equal(t, want.Iss, w.issuer.url)
		require.Equal(t, Identity{w.issuer.url, want.Sub}, v.identity)
		require.NotEmpty(t, want.Sub)
		require.Contains(t, v.audience, "app")
		require.NoError(t, checkUserName(v.name))
		require.True(t, v.expires.After(now) && !v.expires.After(maxTime))
		require.False(t, v.until.After(v.expires))
		require.False(t, v.issued.After(now.Add(DefaultClockSkew+time.Second)))
		for _, name := range append(v.roles, v.channels...) {
			require.True(t, validGrant(name), name)
		}
		require.True(t, v.email == "" || strings.Contains(v.email, "@"))
	})
}

// requireRefusal: a refusal can be sent and logged.
func requireRefusal(t *testing.T, e *Error) {
	t.Helper()
	require.Contains(t, []int{401, 403, 503}, e.Status, e.Detail)
	require.NotEmpty(t, e.Reason)
	for _, c := range e.Challenges {
		require.NotRegexp(t, `[^ -~]`, c)
	}
}

// Whatever header a provider signs, only its own key and algorithm are believed.
func FuzzSignedHeader(f *testing.F) {
	for _, list := range [][]broken{unsignedTokens(), embeddedKeys(), criticalHeaders(), duplicateMembers(), confusedHeaders()} {
		for _, b := range list[:3] {
			header, _ := splitToken(b.token(newIssuer(f)))
			f.Add(header)
		}
	}
	f.Add(goodHeader)
	f.Add(`{"alg":"ES256","typ":"JWT","x5c":["AAAA"],"jku":"https://evil.example.com"}`)
	w := newWorld(f)
	payload := payloadOf(w.issuer.token("alice", map[string]any{"exp": 4000000000}))
	f.Fuzz(func(t *testing.T, header string) {
		v, refusal := w.service.verify(t.Context(), signText(t, "ec", header, payload), everyProvider)
		if refusal != nil {
			requireRefusal(t, refusal)
		} else {
			h, err := parseClaims([]byte(header))
			require.NoError(t, err)
			require.Equal(t, "ES256", h["alg"])
			require.Contains(t, []any{"ec", "", nil}, h["kid"])
			require.Equal(t, "alice", v.identity.Subject)
		}
		// By a stranger's key there is no good header at all.
		_, refusal = w.service.verify(t.Context(), signText(t, "ec2", header, payload), everyProvider)
		require.NotNil(t, refusal)
		requireRefusal(t, refusal)
		require.Zero(t, w.issuer.strays.Load())
	})
}

// Claims are read as encoding/json reads them, or refused; no lookup panics.
func FuzzClaims(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":{"b":{"c":[1,"x",null,true]}}}`, `{"a.b":1,"a":{"b":2}}`, `{"aud":["a",1],"exp":1e400,"iss":null}`, `{"a":1,"a":2}`, `{"":{"":""}}`, `[`, `{"a":"\ud800"}`, "{\"\xff\":1}",
	} {
		f.Add(text, "a.b.c", "x")
	}
	f.Fuzz(func(t *testing.T, text, path, allowed string) {
		c, err := parseClaims([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, errNotClaims)
			return
		}
		require.True(t, utf8.ValidString(text))
		again, err := json.Marshal(c)
		require.NoError(t, err)
		require.Equal(t, decodeNumbers(t, text), decodeNumbers(t, string(again)))
		v, found := c.lookup(path)
		require.True(t, found || v == nil)
		rule := map[string][]string{path: {allowed}}
		require.Equal(t, found && claimMatches(v, []string{allowed}) && (path != "email" || isTrue(c["email_verified"])), c.satisfies(rule))
		_, isText := v.(string)
		if s, err := c.text(path); err == nil && s != "" {
			require.True(t, isText || c[path] == s)
		}
		if m, err := c.moment(path); err == nil {
			require.False(t, m.After(maxTime))
			require.True(t, m.IsZero() || m.Unix() >= 0)
		}
		if list, ok := texts(v); ok && v != nil {
			require.NotNil(t, list)
		}
		if name, ok := nameText(v); ok {
			require.NotEmpty(t, name)
		}
		if list, err := c.names(path); err == nil {
			for _, name := range list {
				require.True(t, validGrant(name), name)
			}
		}
		_ = scopes(c)
	})
}

func decodeNumbers(t *testing.T, text string) any {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	return v
}

// A key set yields public keys that may verify signatures, or an error.
func FuzzJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[` + rogueJWK("a") + `]}`))
	f.Add([]byte(`{"keys":[` + rogueJWK("a") + `,{"kty":"oct","k":"AAAA"},{"kty":"RSA","n":"AQAB","e":"AQ"},{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","use":"enc","key_ops":["verify"],"x5c":["AAAA"]}]}`))
	f.Add([]byte(`{"keys":null,"keys":[1]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, _, err := parseJWKS(text)
		require.Equal(t, err != nil, len(list) == 0)
		require.LessOrEqual(t, len(list), maxKeys)
		for i := range list {
			key := &list[i].JSONWebKey
			require.True(t, key.IsPublic() && key.Valid())
			require.Contains(t, []string{"", "sig"}, key.Use)
			algs := 0
			for _, alg := range signatureAlgorithms {
				if fits(key, alg) {
					algs++
				}
			}
			require.LessOrEqual(t, algs, 6)
		}
	})
}

// A discovery document that passes names the issuer itself, and keys that may be fetched.
func FuzzDiscovery(f *testing.F) {
	for _, s := range []string{
		`{"issuer":"https://idp.example.com","jwks_uri":"https://idp.example.com/keys","id_token_signing_alg_values_supported":["RS256","none"]}`,
		`{"issuer":"https://idp.example.com","Issuer":"x","jwks_uri":"http://localhost/keys"}`, `{"issuer":1}`, `[]`, `{"jwks_uri":"https://[fe80::1%25x]/"}`,
	} {
		f.Add([]byte(s))
	}
	const issuer = "https://idp.example.com"
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMetadata(text)
		if err != nil || m.check(issuer, issuer) != nil {
			return
		}
		require.Equal(t, issuer, m.Issuer)
		require.True(t, strings.HasPrefix(strings.ToLower(m.JWKSURI), "https://"), m.JWKSURI)
		require.NoError(t, checkEndpoint(m.JWKSURI))
		require.False(t, localURL(m.JWKSURI))
		for _, alg := range m.Algorithms {
			require.Contains(t, signatureAlgorithms, alg)
		}
	})
}

// What a provider says about caching never becomes a time that is negative or endless.
func FuzzCacheHeaders(f *testing.F) {
	f.Add("max-age=60, public", "10", "", "")
	f.Add(`no-cache="x", max-age="9999999999999"`, "-1", "0", "")
	f.Add("max-age=,,;=max-age", "1e9", "x", "x")
	f.Add("public", "", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, control, age, expires, date string) {
		header := http.Header{"Cache-Control": {control}, "Age": {age}, "Expires": {expires}, "Date": {date}}
		d := cacheLifetime(header, time.Now())
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, (1<<31)*time.Second)
	})
}

// A URL that passes as one to fetch from is https, or of this machine.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"https://a.example/x?y", "http://localhost:1", "http://[::1%25lo]/", "http://[::1%25.]", "http://127.0.0.1.evil.example", "https:a", "http://a.localhost@evil.example", "HTTPS://x", "http://0x7f.1/", "https://:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if checkEndpoint(address) != nil {
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		require.Nil(t, r.URL.User)
		require.NotEmpty(t, r.URL.Host)
		require.True(t, r.URL.Scheme == "https" || r.URL.Scheme == "http" && localURL(address), address)
	})
}
