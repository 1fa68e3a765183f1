package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// toldAccess is an Access that says the same of everybody, and who was asked about last.
type toldAccess struct {
	access Access
	err    error
	asked  atomic.Value // string
	tokens atomic.Bool
}

func (a *toldAccess) configure(c *Config) {
	c.Access = func(_ context.Context, db Database, name string, tokenGrants bool) (Access, error) {
		a.asked.Store(db.Name + "/" + name)
		a.tokens.Store(tokenGrants)
		return a.access, a.err
	}
}

// What documents and roles give is told with the sequence since when, in Sync Gateway's
// shape; roles stay an array, as CouchDB's clients know them.
func TestSessionAnswersTellWhatDocumentsGive(t *testing.T) {
	t.Parallel()
	told := &toldAccess{access: Access{Roles: []string{"later", "staff"}, Channels: map[string]uint64{"a": 5, "shared": 1 << 40}}}
	w := newWorld(t, told.configure, grantClaims)
	tok := w.issuer.token("alice", map[string]any{"roles": []string{"staff", "not:made"}, "channels": "a"})
	cookie := w.signIn(tok)
	want := map[string]any{
		"name": "idp.example.com_alice", "roles": []any{"staff", "not:made", "later"},
		"channels": map[string]any{"!": 1.0, "a": 5.0, "shared": float64(1 << 40)},
	}
	for _, c := range []struct{ method, path, credentials string }{
		{http.MethodGet, "/notes/_session", bearer(tok)},
		{http.MethodGet, "/notes/_session", cookie},
		{http.MethodPost, "/notes/_session", bearer(tok)},
		{http.MethodPost, "/notes/_session", cookie},
		{http.MethodPost, "/notes/_session?one_time=true", cookie},
	} {
		told.asked.Store("")
		_, body := w.session(request(c.method, c.path, "", c.credentials), &notes)
		require.Equal(t, want, body["userCtx"], c)
		require.Equal(t, "notes/idp.example.com_alice", told.asked.Load())
		require.True(t, told.tokens.Load())
		if c.method == http.MethodPost {
			require.Equal(t, want["roles"], body["roles"])
		}
	}
	told.asked.Store("")
	_, body := w.session(request(http.MethodGet, "/notes/_session", ""), &notes)
	require.Equal(t, map[string]any{"name": nil, "roles": []any{}, "channels": nil}, body["userCtx"])
	require.Empty(t, told.asked.Load(), "nobody has nothing")
	require.Equal(t, []string{"staff", "not:made"}, w.in(cookie).Roles, "what the server decides by stays")
}

// A sign-in whose answer cannot be given makes no session.
func TestSessionAnswersFailWithTheStore(t *testing.T) {
	t.Parallel()
	told := &toldAccess{}
	w := newWorld(t, told.configure)
	cookie := w.signIn(w.issuer.token("alice"))
	told.err = errors.New("broken")
	for _, r := range []*http.Request{
		request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))),
		request(http.MethodPost, "/notes/_session?one_time=true", "", cookie),
		request(http.MethodGet, "/notes/_session", "", cookie),
	} {
		writes := w.records.updates.Load()
		resp, body := w.session(r, &notes)
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode, body)
		require.Empty(t, resp.Cookies())
		require.Equal(t, writes, w.records.updates.Load())
	}
	list, err := w.state.Sessions(t.Context(), notes.ID, "idp.example.com_alice")
	require.NoError(t, err)
	require.Len(t, list, 1)
	w.put("dora", UserUpdate{})
	_, err = w.administer().User("dora")
	require.Equal(t, http.StatusInternalServerError, asError(t, err).Status)
}

func (w *world) administer() *Administration {
	return w.service.Administer(get(), &Principal{Admin: true, Method: MethodAdmin, db: notes}, notes)
}

func TestAdministratorsAreToldWhatDocumentsGive(t *testing.T) {
	t.Parallel()
	told := &toldAccess{access: Access{Roles: []string{"staff"}, Channels: map[string]uint64{"shared": 7, "own": 2}}}
	w := newWorld(t, told.configure)
	_, err := w.state.PutRole(t.Context(), notes.ID, "staff", RoleUpdate{Collections: CollectionGrants{"s": {"c": {"x"}}}})
	require.NoError(t, err)
	w.put("dora", UserUpdate{AdminChannels: &[]string{"own"}, AdminRoles: &[]string{"later"}})
	info, err := w.administer().User("dora")
	require.NoError(t, err)
	require.Equal(t, []string{"own"}, info.AdminChannels)
	require.Equal(t, []string{"later"}, info.AdminRoles)
	require.Equal(t, []string{"later", "staff"}, info.Roles)
	require.Equal(t, []string{"!", "own", "shared"}, info.AllChannels)
	require.Equal(t, []string{"!", "x"}, info.Collections["s"]["c"].AllChannels)

	// GET /{db}/_session/{id} says it of the session's user.
	resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))), &notes)
	rec := httptest.NewRecorder()
	serveSessionHandle(w.service, rec, fromHere(request(http.MethodGet, "/notes/_session/x", "")), &Site{Admin: &AdminRule{Loopback: true}}, &notes, nil, resp.Cookies()[0].Value)
	require.Equal(t, http.StatusOK, rec.Code)
	var body struct{ UserCtx map[string]any }
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &body))
	require.Equal(t, map[string]any{"!": 1.0, "own": 2.0, "shared": 7.0}, body.UserCtx["channels"])
}

// DECISIONS 9: a sync function makes nobody an administrator.
func TestDecision9_RolesThatDocumentsGiveMakeNoAdministrator(t *testing.T) {
	t.Parallel()
	told := &toldAccess{access: Access{Roles: []string{"admin"}}}
	w := newWorld(t, told.configure)
	cookie := w.signIn(w.issuer.token("alice"))
	w.site = &Site{Admin: &AdminRule{Roles: []string{"admin"}}}
	require.Equal(t, http.StatusForbidden, w.out(cookie).Status)
	require.Equal(t, http.StatusForbidden, w.out(bearer(w.issuer.token("alice"))).Status)
	w.put("idp.example.com_alice", UserUpdate{AdminRoles: &[]string{"admin"}})
	w.in(cookie)
}
