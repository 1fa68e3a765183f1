package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSessionPostAnswersInBothShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
	tok := w.issuer.token("alice", map[string]any{"roles": []string{"staff"}})
	for _, body := range []string{"", "{}", `{"name":"eve","password":"x"}`, "not JSON"} {
		resp, got := w.session(request(http.MethodPost, "/notes/_session", body, bearer(tok)), &notes)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		require.Equal(t, map[string]any{
			"ok": true, "name": "idp.example.com_alice", "roles": []any{"staff"},
			"userCtx": map[string]any{
				"name": "idp.example.com_alice", "roles": []any{"staff"}, "channels": map[string]any{"!": 1.0},
			},
			"authentication_handlers": []any{"default", "cookie"},
			"info":                    map[string]any{"authenticated": "jwt", "authentication_handlers": []any{"default", "cookie"}},
		}, got, "the bearer wins over the body")
		require.Len(t, resp.Cookies(), 1)
	}
}

func TestSessionCookieAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		secure bool
		path   string
		policy SessionPolicy
		want   string
	}{
		{"defaults", false, "", SessionPolicy{}, "SyncGatewaySession=ID; Path=/; Expires=Sun, 02 Jan 2000 00:00:00 GMT; Max-Age=86400; HttpOnly; SameSite=Lax"},
		{"by TLS", true, "/", SessionPolicy{}, "SyncGatewaySession=ID; Path=/; Expires=Sun, 02 Jan 2000 00:00:00 GMT; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
		{"under a prefix", true, "/api", SessionPolicy{}, "SyncGatewaySession=ID; Path=/api; Expires=Sun, 02 Jan 2000 00:00:00 GMT; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
		{"as configured", true, "/", SessionPolicy{Cookie: "sid", Lifetime: 720 * time.Hour, Idle: time.Hour, SameSite: http.SameSiteStrictMode}, "sid=ID; Path=/; Expires=Mon, 31 Jan 2000 00:00:00 GMT; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict"},
		{"until the token's expiry", false, "/", SessionPolicy{UntilTokenExpiry: true}, "SyncGatewaySession=ID; Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; Max-Age=3600; HttpOnly; SameSite=Lax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(cfg *Config) { cfg.Databases[0].Session = c.policy })
				w.site.CookiePath = c.path
				with := func(r *http.Request) *http.Request {
					return r.WithContext(WithClient(r.Context(), Client{Secure: c.secure}))
				}
				resp, _ := w.session(with(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice")))), &notes)
				require.Len(t, resp.Cookies(), 1)
				id := resp.Cookies()[0].Value
				require.Equal(t, strings.Replace(c.want, "=ID", "="+id, 1), resp.Header.Get("Set-Cookie"))

				// Deleting has the same attributes, or the browser keeps the old one.
				resp, body := w.session(with(request(http.MethodDelete, "/notes/_session", "", resp.Cookies()[0].Name+"="+id)), &notes)
				require.Equal(t, map[string]any{"ok": true}, body)
				gone := resp.Header.Get("Set-Cookie")
				require.Contains(t, gone, "Max-Age=0")
				for _, attribute := range strings.Split(c.want, "; ")[1:] {
					if !strings.HasPrefix(attribute, "Max-Age") && !strings.HasPrefix(attribute, "Expires") {
						require.Contains(t, gone, attribute)
					}
				}
			})
		})
	}
}

func TestSessionIDIsStoredOnlyAsAHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.issuer.token("alice")
	_, id, _ := strings.Cut(w.signIn(tok), "=")
	require.Len(t, id, sessionIDLength)
	_, other, _ := strings.Cut(w.signIn(tok), "=")
	require.NotEqual(t, id, other)
	require.False(t, w.records.holds(id), "the ID itself is nowhere")
	require.False(t, w.records.holds(tok), "nor is the token")
	hash := sha256.Sum256([]byte(id))
	require.True(t, w.records.holds(string(hash[:])))
	require.Equal(t, 401, w.out("SyncGatewaySession="+hex.EncodeToString(hash[:])).Status)
}

func TestSessionPostWithoutGoodCredentialsIs401(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.signIn(w.issuer.token("alice"))
	for _, c := range []struct {
		name, body  string
		credentials []string
		status      int
		reason      string
	}{
		{"none", "", nil, 401, "Login required"},
		{"empty object", "{}", nil, 401, "Login required"},
		{"password, which does not exist", `{"name":"alice","password":"pass"}`, nil, 401, "Invalid login"},
		{"password with a good cookie", `{"name":"alice","password":"wrong"}`, []string{good}, 401, "Invalid login"},
		{"password as a form", `name=alice&password=pass`, nil, 400, "the body must be a JSON object"},
		{"not JSON", "{", nil, 400, "the body must be a JSON object"},
		{"stale cookie", "", []string{"SyncGatewaySession=" + strings.Repeat("x", 43)}, 401, "Session Invalid"},
		{"bad bearer", "", []string{"Bearer abc.def.ghi"}, 401, "Invalid login: malformed token"},
		{"bad bearer, good cookie", "", []string{"Bearer abc.def.ghi", good}, 401, "Invalid login: malformed token"},
		{"Basic", "", []string{"Basic YWxpY2U6cGFzcw=="}, 401, "Invalid login"},
		{"empty Basic", "", []string{"Basic Og=="}, 401, "Login required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := w.session(request(http.MethodPost, "/notes/_session", c.body, c.credentials...), &notes)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.reason, body["reason"])
			require.Empty(t, resp.Header.Get("Set-Cookie"))
			if c.status == 401 {
				require.Equal(t, "unauthorized", body["error"])
				require.Contains(t, resp.Header.Get("Www-Authenticate"), `Bearer realm="caddy-sync"`)
			}
		})
	}
	r := request(http.MethodPost, "/notes/_session", "name=alice&password=pass")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, _ := w.session(r, &notes)
	require.Equal(t, 401, resp.StatusCode)
}

// A session must not outlive its absolute limit by being traded for a new one.
func TestSessionPostWithACookieKeepsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cookie := w.signIn(w.issuer.token("alice"))
		time.Sleep(time.Hour)
		resp, body := w.session(request(http.MethodPost, "/notes/_session", "", cookie), &notes)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "idp.example.com_alice", body["name"])
		require.Equal(t, cookie+"; Path=/; Expires=Sun, 02 Jan 2000 00:00:00 GMT; Max-Age=82800; HttpOnly; SameSite=Lax", resp.Header.Get("Set-Cookie"))
	})
}

func TestSessionGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.issuer.token("alice")
	cookie := w.signIn(tok)
	for _, c := range []struct {
		name        string
		credentials []string
		status      int
		user        any
	}{
		{"nobody", nil, 200, nil},
		{"cookie", []string{cookie}, 200, "idp.example.com_alice"},
		{"cookie in another case", []string{strings.Replace(cookie, "SyncGatewaySession", "syncgatewaysession", 1)}, 200, "idp.example.com_alice"},
		{"quoted cookie", []string{strings.Replace(cookie, "=", `="`, 1) + `"`}, 200, "idp.example.com_alice"},
		{"bogus cookie", []string{"SyncGatewaySession=deadbeef"}, 200, nil},
		{"bearer", []string{bearer(tok)}, 200, "idp.example.com_alice"},
		{"bad bearer", []string{"Bearer x"}, 401, nil},
		{"bad bearer, good cookie", []string{"Bearer x", cookie}, 401, nil},
		{"Basic", []string{"Basic YWxpY2U6cGFzcw=="}, 401, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, db := range []*Database{&notes, nil} {
				resp, body := w.session(request(http.MethodGet, "/notes/_session", "", c.credentials...), db, notes)
				require.Equal(t, c.status, resp.StatusCode)
				if c.status != 200 {
					continue
				}
				user := body["userCtx"].(map[string]any)
				require.Equal(t, c.user, user["name"])
				if c.user == nil {
					require.Nil(t, user["channels"])
				}
				require.Equal(t, true, body["ok"])
				require.NotContains(t, resp.Header, "Set-Cookie")
			}
		})
	}
	resp, _ := w.session(request(http.MethodHead, "/notes/_session", "", cookie), &notes)
	require.Equal(t, 200, resp.StatusCode)
	require.NotEqual(t, "0", resp.Header.Get("Content-Length"))
	resp, _ = w.session(request(http.MethodPatch, "/notes/_session", ""), &notes)
	require.Equal(t, 405, resp.StatusCode)
	require.Equal(t, "GET, HEAD, POST, DELETE", resp.Header.Get("Allow"))
}

func TestSessionDeleteAlwaysSucceedsAndClearsTheCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.issuer.token("alice")
	cookie := w.signIn(tok)
	for _, c := range [][]string{nil, {"SyncGatewaySession=deadbeef"}, {"Bearer x"}, {cookie}, {cookie}} {
		resp, body := w.session(request(http.MethodDelete, "/notes/_session", "", c...), &notes)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, true, body["ok"])
		require.Contains(t, resp.Header.Get("Set-Cookie"), "SyncGatewaySession=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0")
	}
	require.Equal(t, "Session Invalid", w.out(cookie).Reason)
	w.in(bearer(tok)) // DECISIONS 4: one's own sign-out refuses no token

	w2 := w.signIn(tok)
	lower := strings.Replace(w2, "SyncGatewaySession", "SYNCGATEWAYSESSION", 1)
	resp, _ := w.session(request(http.MethodDelete, "/notes/_session", "", lower), &notes)
	require.Len(t, resp.Cookies(), 2, "the spelling that came is cleared too")
	require.Equal(t, 401, w.out(w2).Status)
}

func TestSignOutThatWasNotStoredIsNotConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	w.in(cookie)
	w.records.broken.Store(true)
	resp, _ := w.session(request(http.MethodDelete, "/notes/_session", "", cookie), &notes)
	require.Equal(t, 500, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Set-Cookie"), "Max-Age=0")
}

// /_session and /{db}/_session make the same thing: a database takes a session if it
// lists the provider and its own user may come in.
func TestDecision2_RootSessionIsTheSame(t *testing.T) {
	t.Parallel()
	other, closed := Database{"other", 8}, Database{"closed", 9}
	w := newWorld(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "other", Providers: []string{"idp"}, AccessStated: true}, Policy{Name: "closed"})
	})
	for _, db := range []*Database{nil, &notes, &other} {
		resp, body := w.session(request(http.MethodPost, "/_session", "", bearer(w.issuer.token("alice"))), db, closed, notes, other)
		require.Equal(t, 200, resp.StatusCode, body)
		require.Equal(t, "idp.example.com_alice", body["name"])
		c := resp.Cookies()[0]
		cookie := c.Name + "=" + c.Value
		w.in(cookie)
		_, err := w.service.Authenticate(get(cookie), w.site, other)
		require.NoError(t, err)
		_, err = w.service.Authenticate(get(cookie), w.site, closed)
		require.Equal(t, "Session Invalid", asError(t, err).Reason)
		_, body = w.session(request(http.MethodGet, "/_session", "", cookie), nil, closed, other, notes)
		require.Equal(t, "idp.example.com_alice", body["userCtx"].(map[string]any)["name"])
	}
	resp, _ := w.session(request(http.MethodPost, "/closed/_session", "", bearer(w.issuer.token("alice"))), &closed)
	require.Equal(t, 401, resp.StatusCode)
	resp, _ = w.session(request(http.MethodPost, "/_session", "", bearer(w.issuer.token("alice"))), nil)
	require.Equal(t, 401, resp.StatusCode, "a site without databases")
}

// Who is known in one of the databases is not registered in another for asking who they are.
func TestRootSessionIsWhoTheCookiesOwnerIsWhereTheyAreKnown(t *testing.T) {
	t.Parallel()
	first := Database{"first", 8}
	w := newWorld(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "first", Providers: []string{"idp"}, AccessStated: true})
	})
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "boss", false))
	require.NoError(t, w.state.Link(t.Context(), notes.ID, "boss", Identity{w.issuer.url, "alice"}))
	cookie := w.signIn(w.issuer.token("alice"))
	_, body := w.session(request(http.MethodGet, "/_session", "", cookie), nil, first, notes)
	require.Equal(t, "boss", body["userCtx"].(map[string]any)["name"])
	_, err := w.state.User(t.Context(), first.ID, "idp.example.com_alice")
	require.ErrorIs(t, err, ErrNoUser)
}

func TestCookiesOfNoSessionCostTheSameInManyDatabases(t *testing.T) {
	t.Parallel()
	var many []Database
	w := newWorld(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "*", Providers: []string{"idp"}, AccessStated: true})
	})
	for id := range uint32(100) {
		many = append(many, Database{fmt.Sprint("db", id), 10 + id})
	}
	views := &countedViews{records: w.records}
	w.state.records = views
	_, body := w.session(request(http.MethodGet, "/_session", "", strings.Repeat("SyncGatewaySession="+strings.Repeat("x", 43)+"; ", 9)), nil, many...)
	require.Nil(t, body["userCtx"].(map[string]any)["name"])
	require.EqualValues(t, 1, views.n.Load())
}

// Several cookies of the name are all tried.
func TestDecision2_StaleCookieBesideAGoodOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.signIn(w.issuer.token("alice"))
	stale := "SyncGatewaySession=" + strings.Repeat("x", 43)
	w.in(stale + "; " + good)
	w.in(good + "; " + stale)
	w.in("a=b; SyncGatewaySession=; " + stale + ";x;" + good)
	w.in(stale, good)
	require.Equal(t, "Session Invalid", w.out(stale).Reason)
	many := strings.Repeat(stale+"; ", maxCookies)
	require.Equal(t, 401, w.out(many+good).Status, "bounded work")
}

func TestSessionsCanBeOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Databases[0].Session.Off = true })
	resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))), &notes)
	require.Equal(t, 403, resp.StatusCode)
	require.Equal(t, "Login required", w.out("SyncGatewaySession="+strings.Repeat("x", 43)).Reason)
}

// Every answer of _session, refusals too, is for nobody else and kept by no cache.
func TestDecision13_SessionAnswersAreNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodPut} {
		for _, credentials := range [][]string{nil, {"Bearer x"}, {bearer(w.issuer.token("alice"))}} {
			resp, _ := w.session(request(method, "/notes/_session", "", credentials...), &notes)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
			require.Equal(t, []string{"Origin", "Cookie", "Authorization"}, resp.Header.Values("Vary"))
		}
	}
	h := http.Header{"Vary": {"Accept, origin"}}
	addVary(h, "Origin", "Cookie")
	require.Equal(t, []string{"Accept, origin", "Cookie"}, h.Values("Vary"), "what is there already is not said twice")
}
