package auth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// handle serves a request of _session/{handle}.
func (w *world) handle(method, handle string, credentials ...string) (int, map[string]any, string) {
	w.t.Helper()
	rec := httptest.NewRecorder()
	serveSessionHandle(w.service, rec, request(method, "/notes/_session/"+handle, "", credentials...), w.site, &notes, nil, handle)
	body := map[string]any{}
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &body))
	require.Equal(w.t, "no-store", rec.Header().Get("Cache-Control"))
	return rec.Code, body, rec.Body.String()
}

func TestAUserListsTheirSessionsAndSeesNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.signIn(w.issuer.token("alice")), w.signIn(w.issuer.token("alice", map[string]any{"jti": "2"}))
	w.signIn(w.issuer.token("bob"))
	code, body, text := w.handle(http.MethodGet, AllSessions, second)
	require.Equal(t, http.StatusOK, code)
	list := body["sessions"].([]any)
	require.Len(t, list, 2)
	current := 0
	for _, s := range list {
		s := s.(map[string]any)
		require.Equal(t, "192.0.2.1", s["address"])
		require.Equal(t, "bearer", s["method"])
		require.Equal(t, w.issuer.url, s["issuer"])
		for _, when := range []string{"created", "last_used", "expires"} {
			_, err := time.Parse(time.RFC3339, s[when].(string))
			require.NoError(t, err, when)
		}
		if s["current"] == true {
			current++
		}
		require.Equal(t, "Session Invalid", w.out("SyncGatewaySession="+s["handle"].(string)).Reason, "a handle signs nobody in")
	}
	require.Equal(t, 1, current)
	for _, cookie := range []string{first, second} {
		_, id, _ := strings.Cut(cookie, "=")
		require.NotContains(t, text, id)
	}
}

func TestAUserEndsOneOfTheirSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.issuer.token("alice")
	phone, here := w.signIn(token), w.signIn(w.issuer.token("alice", map[string]any{"jti": "2"}))
	bobs := w.signIn(w.issuer.token("bob"))
	of := func(cookie string) string {
		_, body, _ := w.handle(http.MethodGet, AllSessions, cookie)
		for _, s := range body["sessions"].([]any) {
			if s := s.(map[string]any); s["current"] == true {
				return s["handle"].(string)
			}
		}
		return ""
	}
	lease := w.lease(w.in(phone))
	code, _, _ := w.handle(http.MethodDelete, of(bobs), here)
	require.Equal(t, http.StatusNotFound, code, "somebody else's")
	w.in(bobs)
	code, _, _ = w.handle(http.MethodDelete, of(phone), here)
	require.Equal(t, http.StatusOK, code)
	require.True(t, ended(lease))
	require.Equal(t, 401, w.out(phone).Status)
	require.Equal(t, "Invalid login: token revoked", w.out(bearer(token)).Reason, "DECISIONS 4")
	w.in(here)
	code, _, _ = w.handle(http.MethodDelete, "nonsense", here)
	require.Equal(t, http.StatusNotFound, code)
	code, _, _ = w.handle(http.MethodDelete, AllSessions)
	require.Equal(t, 401, code)
}

func TestDecision4_AUserEndsAllTheirSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.issuer.token("alice")
	a, b, bobs := w.signIn(token), w.signIn(token), w.signIn(w.issuer.token("bob"))
	code, _, _ := w.handle(http.MethodDelete, AllSessions, a)
	require.Equal(t, http.StatusOK, code)
	for _, credentials := range []string{a, b, bearer(token)} {
		require.Equal(t, 401, w.out(credentials).Status)
	}
	w.in(bobs)
}

// Without a database in the path everywhere is everywhere on the site.
func TestSigningOutEverywhereRefusesTokensInAllDatabasesOfTheSite(t *testing.T) {
	t.Parallel()
	other, away := Database{"other", 8}, Database{"away", 9}
	w := newWorld(t, func(c *Config) {
		for _, name := range []string{"other", "away"} {
			c.Databases = append(c.Databases, Policy{Name: name, Providers: []string{"idp"}, AccessStated: true})
		}
	})
	// Issued before the second of the sign-out, as one that was stolen.
	token := bearer(w.issuer.token("alice", map[string]any{"iat": time.Now().Unix() - 60}))
	open := func(db Database) (*Principal, error) { return w.service.Authenticate(get(token), w.site, db) }
	var leases []*Lease
	for _, db := range []Database{notes, other} {
		p, err := open(db)
		require.NoError(t, err, detail(err))
		leases = append(leases, w.lease(p))
	}
	cookie := w.signIn(w.issuer.token("alice"))
	rec := httptest.NewRecorder()
	r := request(http.MethodDelete, "/_session/all", "", cookie)
	serveSessionHandle(w.service, rec, r, w.site, nil, []Database{away, notes, other}, AllSessions)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	for i, db := range []Database{notes, other} {
		_, err := open(db)
		require.Equal(t, http.StatusUnauthorized, asError(t, err).Status, db.Name)
		require.True(t, ended(leases[i]), db.Name)
	}
	_, err := w.state.User(t.Context(), away.ID, "idp.example.com_alice")
	require.ErrorIs(t, err, ErrNoUser, "where they have no account they get none")
}

// What a list takes in memory has a bound, however often somebody signed in.
func TestOfVeryManySessionsThoseLastUsedAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.signIn(w.issuer.token("alice"))
	handle := w.in(first).session.handle()
	for i := range 2*maxListed + 10 {
		at := time.Now().Add(time.Duration(i+1) * time.Millisecond)
		_, err := w.state.newSession(t.Context(), &session{
			Provider: "idp", Identity: Identity{w.issuer.url, "alice"}, Created: at.UnixMicro(), Expires: at.Add(time.Hour).UnixMilli(),
		})
		require.NoError(t, err)
	}
	_, body, _ := w.handle(http.MethodGet, AllSessions, first)
	require.Len(t, body["sessions"], maxListed)
	list, err := w.state.Sessions(t.Context(), notes.ID, "idp.example.com_alice")
	require.NoError(t, err)
	for i := range list[1:] {
		require.False(t, list[i].LastUsed.Before(list[i+1].LastUsed))
	}
	require.NotEqual(t, handle, list[maxListed-1].Handle)
	code, one, _ := w.handle(http.MethodGet, handle, first)
	require.Equal(t, http.StatusOK, code, "each can be named all the same")
	require.Equal(t, true, one["current"])
}
