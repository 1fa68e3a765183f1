package auth

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// RFC 6750 section 3: no error code without credentials, invalid_token for a bad one.
func TestChallenges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bare := []string{`Bearer realm="caddy-sync"`}
	require.Equal(t, bare, w.out().Challenges)
	require.Equal(t, "Login required", w.out().Reason)
	e := w.out("Bearer " + w.issuer.token("a", map[string]any{"exp": 1}))
	require.Equal(t, []string{`Bearer realm="caddy-sync", error="invalid_token", error_description="token expired"`}, e.Challenges)
	require.Equal(t, `ab`, quotable("a\"\\\r\n\x00é\x7fb"))
}

// RFC 9110 section 11.1: the scheme's case does not matter.
func TestBearerInAnyCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.issuer.token("alice")
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "bEaReR   ", " Bearer "} {
		r := get()
		r.Header.Set("Authorization", scheme+tok+" ")
		_, err := w.service.Authenticate(r, w.site, notes)
		require.NoError(t, err, scheme)
	}
}

// Empty Basic and unknown schemes count as no credentials.
func TestDecision39_WhatCountsAsNoCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "open", Guest: true})
	})
	cookie := w.signIn(w.issuer.token("alice"))
	for _, none := range []string{"Basic ", "Basic", "Basic Og==", "basic Og==", "Basic OnBhc3M=", "Negotiate abc", "Digest x=y", "x", ""} {
		r := get(cookie)
		r.Header.Set("Authorization", none)
		p, err := w.service.Authenticate(r, w.site, notes)
		require.NoError(t, err, none)
		require.Equal(t, MethodCookie, p.Method)
		r = get()
		r.Header.Set("Authorization", none)
		_, err = w.service.Authenticate(r, w.site, notes)
		require.Equal(t, "Login required", asError(t, err).Reason, none)
		p, err = w.service.Authenticate(r, w.site, Database{"open", 9})
		require.NoError(t, err)
		require.Equal(t, MethodGuest, p.Method)
	}
	for _, bad := range []string{"Basic YWxpY2U6cGFzcw==", "basic YWxpY2U6", "Basic YWxpY2U=", "Basic !!!", "Bearer", "Bearer ", "bearer x"} {
		for _, db := range []Database{notes, {"open", 9}} {
			r := get(cookie)
			r.Header.Set("Authorization", bad)
			_, err := w.service.Authenticate(r, w.site, db)
			e := asError(t, err)
			require.Equal(t, 401, e.Status, bad)
			require.True(t, strings.HasPrefix(e.Reason, "Invalid login"), bad)
		}
	}
	r := get("Bearer a", "Bearer b")
	_, err := w.service.Authenticate(r, w.site, notes)
	require.Equal(t, 400, asError(t, err).Status)
}

// A client whose session ended must not go on as a guest.
func TestStaleCookieIsNoGuest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Databases[0].Guest = true })
	require.Equal(t, MethodGuest, w.in().Method)
	require.Equal(t, MethodGuest, w.in("other=1").Method)
	require.Equal(t, "Session Invalid", w.out("SyncGatewaySession="+strings.Repeat("x", 43)).Reason)
}

func TestADatabaseWithoutAPolicyIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.service.Authenticate(get(bearer(w.issuer.token("alice"))), w.site, Database{"nosuch", 99})
	require.Equal(t, 401, asError(t, err).Status)
}

func FuzzAuthorizationHeader(f *testing.F) {
	for _, s := range []string{"", "Bearer a.b.c", "Basic Og==", "Basic YTpi", "bearer\t x", "Negotiate", "Basic \x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		kind, secret, refusal := readAuthorization(http.Header{"Authorization": {value}})
		require.Nil(t, refusal)
		require.Equal(t, kind == schemeBearer, strings.HasPrefix(strings.ToLower(strings.Trim(value, " \t"))+" ", "bearer "))
		if kind == schemeNone {
			require.Empty(t, secret)
		}
		require.Equal(t, strings.Trim(secret, " \t"), secret)
	})
}

func FuzzCookieHeader(f *testing.F) {
	for _, s := range []string{"", "SyncGatewaySession=x", "a=b; syncgatewaysession=\"x\"", ";;=;SyncGatewaySession", strings.Repeat("SyncGatewaySession=a;", 20)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		list := readSessionCookies(http.Header{"Cookie": {line}}, DefaultCookie)
		require.LessOrEqual(t, len(list), maxCookies)
		for _, c := range list {
			require.True(t, strings.EqualFold(c.name, DefaultCookie))
			require.NotEmpty(t, c.value)
			require.NotContains(t, c.value, ";")
			if utf8.ValidString(line) {
				require.Contains(t, line, c.value)
			}
		}
	})
}
