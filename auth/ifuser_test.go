package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// asking is a request with If-User.
func asking(r *http.Request, users ...string) *http.Request {
	for _, user := range users {
		r.Header.Add("If-User", user)
	}
	return r
}

func TestARequestWithIfUserIsThatUsersOrNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Databases[0].Guest = true })
	alice, bob := w.issuer.token("alice"), w.issuer.token("Zoë 100%/é")
	name := func(token string) string { return url.PathEscape(w.in(bearer(token)).Name) }
	for what, credentials := range map[string]func(token string) string{"bearer": bearer, "cookie": w.signIn} {
		for _, token := range []string{alice, bob} {
			p, err := w.service.Authenticate(asking(get(credentials(token)), name(token)), w.site, notes)
			require.NoError(t, err, what)
			require.Equal(t, w.in(bearer(token)).Name, p.Name)
		}
		_, err := w.service.Authenticate(asking(get(credentials(bob)), name(alice)), w.site, notes)
		refusal := asError(t, err)
		require.Equal(t, http.StatusUnauthorized, refusal.Status, what)
		require.Equal(t, "unauthorized", refusal.Name, "PouchDB stops at that")
		require.Equal(t, []string{challengeBare}, refusal.Challenges, "RFC 9110 section 15.5.2")
		require.NotContains(t, refusal.Reason, w.in(bearer(bob)).Name)
	}
	_, err := w.service.Authenticate(asking(get(), name(alice)), w.site, notes)
	require.Equal(t, http.StatusUnauthorized, asError(t, err).Status, "a guest")
	_, err = w.service.Authenticate(asking(get("SyncGatewaySession=none"), name(alice)), w.site, notes)
	require.Equal(t, "Session Invalid", asError(t, err).Reason)
}

func TestIfUserThatNamesNotOneUserIsABadRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	name := url.PathEscape(w.in(cookie).Name)
	for _, users := range [][]string{{""}, {"%"}, {"%zz"}, {name, name}} {
		_, err := w.service.Authenticate(asking(get(cookie), users...), w.site, notes)
		require.Equal(t, http.StatusBadRequest, asError(t, err).Status, "%q", users)
	}
}

func TestIfUserOfAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.site = &Site{Admin: &AdminRule{Loopback: true}}
	_, err := w.service.Authenticate(fromHere(get()), w.site, notes)
	require.NoError(t, err)
	_, err = w.service.Authenticate(asking(fromHere(get()), "alice"), w.site, notes)
	require.Equal(t, http.StatusUnauthorized, asError(t, err).Status, "nobody's name")
	resp, _ := w.session(asking(fromHere(request(http.MethodGet, "/notes/_session", "")), "alice"), &notes)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

// What is asked of the one's session is done to no other's.
func TestIfUserOfSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, takesPasswords)
	w.state.passwords.argon2 = quickArgon2
	w.setPassword("carol", "carol's password")
	alice, bob := w.signIn(w.issuer.token("alice")), w.signIn(w.issuer.token("bob"))
	hers, his := url.PathEscape(w.in(alice).Name), url.PathEscape(w.in(bob).Name)
	ask := func(method, body, user string, credentials ...string) (int, map[string]any, []*http.Cookie) {
		resp, answer := w.session(asking(request(method, "/notes/_session", body, credentials...), user), &notes)
		return resp.StatusCode, answer, resp.Cookies()
	}
	for what, credentials := range map[string][]string{"another's cookie": {bob}, "a stale cookie": {"SyncGatewaySession=none"}, "nobody's": nil} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			code, answer, cookies := ask(method, "", hers, credentials...)
			require.Equal(t, http.StatusUnauthorized, code, "%s: %s", method, what)
			require.Equal(t, "unauthorized", answer["error"])
			require.Empty(t, cookies, "%s: %s", method, what)
		}
	}
	w.in(bob)
	code, _, cookies := ask(http.MethodPost, "", hers, bearer(w.issuer.token("bob", map[string]any{"jti": "2"})))
	require.Equal(t, http.StatusUnauthorized, code)
	require.Empty(t, cookies)
	login := loginBody("carol", "carol's password")
	code, _, cookies = ask(http.MethodPost, login, hers)
	require.Equal(t, http.StatusUnauthorized, code)
	require.Empty(t, cookies)
	code, _, cookies = ask(http.MethodPost, login, "carol")
	require.Equal(t, http.StatusOK, code)
	require.Len(t, cookies, 1)

	all := func(method, user string) int {
		rec := httptest.NewRecorder()
		serveSessionHandle(w.service, rec, asking(request(method, "/notes/_session/all", "", bob), user), w.site, &notes, nil, AllSessions)
		return rec.Code
	}
	require.Equal(t, http.StatusUnauthorized, all(http.MethodGet, hers))
	require.Equal(t, http.StatusUnauthorized, all(http.MethodDelete, hers))
	require.Equal(t, http.StatusOK, all(http.MethodGet, his), "he is signed in still")

	code, answer, _ := ask(http.MethodGet, "", his, bob)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, w.in(bob).Name, answer["userCtx"].(map[string]any)["name"])
	code, _, _ = ask(http.MethodDelete, "", his, bob)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, http.StatusUnauthorized, w.out(bob).Status)
}

// A cookie that is refused for another user was good: nobody was kept out, and browsers with
// several tabs come to it every day.
func TestAnotherUserThanInIfUserIsNoLineOfTheAuditLog(t *testing.T) {
	t.Parallel()
	core, audit := observer.New(zap.InfoLevel)
	w := newWorld(t, func(c *Config) { c.Audit = zap.New(core) })
	bob := w.signIn(w.issuer.token("bob"))
	_, err := w.service.Authenticate(asking(get(bob), "alice"), w.site, notes)
	require.Error(t, err)
	require.Empty(t, audit.FilterMessage(auditSignInRefused).All())
	require.Equal(t, "Session Invalid", w.out("SyncGatewaySession=none").Reason)
	require.Len(t, audit.FilterMessage(auditSignInRefused).All(), 1)
}
