package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// F62, F66: a cookie that names no session, and one whose record is gone.
func TestF62_ACookieOfNoSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, fake := range []string{"SyncGatewaySession=fake", "SyncGatewaySession=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			refusal := w.out(fake)
			require.Equal(t, http.StatusUnauthorized, refusal.Status)
			require.Equal(t, "Session Invalid", refusal.Reason)
		}
		cookie := w.signIn(w.issuer.token("alice"))
		w.in(cookie)
		key, _ := hashSessionID(cookie[len("SyncGatewaySession="):])
		require.NoError(t, w.state.endByKey(t.Context(), key))
		require.Equal(t, "Session Invalid", w.out(cookie).Reason, "F66")
	})
}

// F76, F77, F68: the cookie that deletes has the name and the attributes of the one that was
// set, and a name of one's own replaces the default.
func TestF77_CookieAttributesFollowTheOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		policy SessionPolicy
		want   []string
		not    []string
	}{
		{"a domain", SessionPolicy{Domain: "example.com"}, []string{"Domain=example.com", "HttpOnly", "SameSite=Lax"}, []string{"Secure"}},
		{"always secure", SessionPolicy{Secure: On}, []string{"Secure"}, []string{"Domain"}},
		{"for scripts", SessionPolicy{HTTPOnly: Off}, nil, []string{"HttpOnly"}},
		{"other sites", SessionPolicy{SameSite: http.SameSiteNoneMode, Secure: On}, []string{"SameSite=None", "Secure"}, nil},
		{"one host", SessionPolicy{Cookie: "__Host-sync"}, []string{"__Host-sync=", "Path=/;", "Secure"}, []string{"Domain", "/api"}},
		{"a name of one's own", SessionPolicy{Cookie: "sid"}, []string{"sid=", "Path=/api"}, []string{DefaultCookie}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(cfg *Config) { cfg.Databases[0].Session = c.policy })
			w.site.CookiePath = "/api"
			resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))), &notes)
			sent := resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
			w.in(sent)
			gone, _ := w.session(request(http.MethodDelete, "/notes/_session", "", sent), &notes)
			require.Equal(t, -1, gone.Cookies()[0].MaxAge)
			for _, line := range []string{resp.Header.Get("Set-Cookie"), gone.Header.Get("Set-Cookie")} {
				for _, part := range c.want {
					require.Contains(t, line, part)
				}
				for _, part := range c.not {
					require.NotContains(t, line, part)
				}
			}
			if c.policy.Cookie != "" {
				require.Equal(t, "Login required", w.out(DefaultCookie+"="+resp.Cookies()[0].Value).Reason, "F68")
			}
		})
	}
}

func TestCookiesThatBrowsersWouldNotKeepDoNotLoad(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]SessionPolicy{
		"__Host- with a domain": {Cookie: "__Host-x", Domain: "example.com"},
		"__Host- not secure":    {Cookie: "__host-x", Secure: Off},
		"__Secure- not secure":  {Cookie: "__Secure-x", Secure: Off},
		"none not secure":       {SameSite: http.SameSiteNoneMode, Secure: Off},
		"a URL for a domain":    {Domain: "https://example.com"},
		"a dot before":          {Domain: ".example.com"},
		"one label":             {Domain: "localhost"},
	} {
		_, err := New(Config{Databases: []Policy{{Name: "notes", Session: policy}}})
		require.Error(t, err, name)
	}
}

// F94: a user of one database is nobody in another, and an unknown database reads as one
// that asks for a login.
func TestF94_AUserOfOneDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Providers[0].Register = false
		c.Databases = append(c.Databases, Policy{Name: "lists", Providers: []string{"idp"}, AccessStated: true})
	})
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "idp.example.com_alice", false))
	token := w.issuer.token("alice")
	w.in(bearer(token))
	cookie := w.signIn(token)
	for _, db := range []Database{{Name: "lists", ID: 8}, {Name: "unknown", ID: 9}} {
		for _, credentials := range []string{bearer(token), cookie} {
			_, err := w.service.Authenticate(get(credentials), w.site, db)
			require.Equal(t, http.StatusUnauthorized, asError(t, err).Status, db.Name)
		}
	}
}

// A session goes on in use while a feed is open, and a session that nobody uses does not
// (the idle limit); what is asked for at _session says until when it lives.
func TestSessionAnswerTellsItsLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session.Lifetime = time.Hour })
		cookie := w.signIn(w.issuer.token("alice"))
		_, body := w.session(request(http.MethodGet, "/notes/_session", "", cookie), &notes)
		info := body["session"].(map[string]any)
		require.Equal(t, time.Now().Add(time.Hour).UTC().Format(time.RFC3339), info["expires"])
		require.Equal(t, true, info["current"])
		require.NotContains(t, body, "session_id")
	})
}
