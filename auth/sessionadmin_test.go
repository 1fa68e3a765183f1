package auth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// backend is an administrator's call from this machine to _session, or to _session/{id}.
func (w *world) backend(method, id, body string) (int, map[string]any) {
	w.t.Helper()
	site := &Site{Admin: &AdminRule{Loopback: true}}
	rec := httptest.NewRecorder()
	r := fromHere(request(method, "/notes/_session", body))
	if id == "" {
		serveSession(w.service, rec, r, site, &notes, nil)
	} else {
		serveSessionHandle(w.service, rec, r, site, &notes, nil, id)
	}
	got := map[string]any{}
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &got))
	return rec.Code, got
}

// F69, F71, F75: a trusted backend signs a user in.
func TestF69_ABackendMakesASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session.Lifetime = time.Hour })
		require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "dora", false))
		time.Sleep(time.Second)
		code, body := w.backend(http.MethodPost, "", `{"name":"dora","ttl":7200}`)
		require.Equal(t, http.StatusOK, code, body)
		require.Equal(t, "SyncGatewaySession", body["cookie_name"])
		require.Equal(t, time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339), body["expires"], "F71")
		id := body["session_id"].(string)
		cookie := "SyncGatewaySession=" + id
		p := w.in(cookie)
		require.Equal(t, "dora", p.Name)
		lease := w.lease(p)

		_, err := w.service.Authenticate(get(cookie), w.site, Database{Name: "notes", ID: 99})
		require.Equal(t, "session of a user of another database", detail(err), "DECISIONS 2")

		code, body = w.backend(http.MethodGet, id, "")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, "dora", body["userCtx"].(map[string]any)["name"])
		handle := body["session"].(map[string]any)["handle"].(string)
		code, _ = w.backend(http.MethodGet, handle, "")
		require.Equal(t, http.StatusOK, code)
		code, _ = w.backend(http.MethodDelete, handle, "")
		require.Equal(t, http.StatusOK, code)
		require.True(t, ended(lease))
		require.Equal(t, 401, w.out(cookie).Status)
		for _, gone := range []string{id, handle, "x"} {
			code, _ = w.backend(http.MethodDelete, gone, "")
			require.Equal(t, http.StatusNotFound, code)
		}

		_, body = w.backend(http.MethodPost, "", `{"name":"dora","ttl":7200}`)
		cookie = "SyncGatewaySession=" + body["session_id"].(string)
		time.Sleep(2*time.Hour - time.Second)
		w.in(cookie)
		time.Sleep(time.Second)
		require.Equal(t, 401, w.out(cookie).Status)
	})
}

func TestABackendsMistakesAreAnsweredClearly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "dora", false))
	require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "dora", true))
	for _, c := range []struct {
		body   string
		status int
		reason string
	}{
		{`{"name":"nobody"}`, 404, `No such user "nobody"`},
		{`{"name":"dora"}`, 400, "User is disabled"},
		{`{"ttl":5}`, 400, "Invalid or missing user name"},
		{`{"name":7}`, 400, "Invalid or missing user name"},
		{`{"name":"dora","ttl":0}`, 400, "Invalid or missing ttl"},
		{`{"name":"dora","ttl":"5"}`, 400, "Invalid or missing ttl"},
		{`{"name":"dora","ttl":1e300}`, 400, "Invalid or missing ttl"},
		{`{"name":"dora","name":"x"}`, 400, "the body must be a JSON object"},
		{``, 400, "the body must be a JSON object"},
	} {
		code, body := w.backend(http.MethodPost, "", c.body)
		require.Equal(t, c.status, code, c.body)
		require.Contains(t, body["reason"], c.reason)
		require.NotContains(t, body, "session_id")
	}
}

// What ends a user's rights ends the sessions that are the user's own.
func TestDecision2_AUsersOwnSessionsEndWithTheUser(t *testing.T) {
	t.Parallel()
	hash := "$2a$10$abcdefghijklmnopqrstuv"
	for name, end := range map[string]func(s *State) error{
		"disabled":           func(s *State) error { return s.SetDisabled(t.Context(), notes.ID, "dora", true) },
		"deleted":            func(s *State) error { return s.DeleteUser(t.Context(), notes.ID, "dora") },
		"all sessions ended": func(s *State) error { return s.EndAllSessions(t.Context(), notes.ID, "dora") },
		"F69: password changed": func(s *State) error {
			_, err := s.PutUser(t.Context(), notes.ID, "dora", UserUpdate{PasswordHash: &hash})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "dora", false))
			_, body := w.backend(http.MethodPost, "", `{"name":"dora"}`)
			cookie := "SyncGatewaySession=" + body["session_id"].(string)
			lease := w.lease(w.in(cookie))
			require.NoError(t, end(w.state))
			require.True(t, ended(lease))
			require.Equal(t, 401, w.out(cookie).Status)
			if name == "deleted" {
				require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "dora", false))
				require.Equal(t, 401, w.out(cookie).Status, "nor is it the next user's of the name")
			}
			if name == "disabled" {
				require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "dora", false))
				require.Equal(t, 401, w.out(cookie).Status, "DECISIONS 4: also after enabling again")
			}
		})
	}
}
