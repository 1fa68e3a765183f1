package auth

import (
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// The same on the store's own records: what is stored outlives a restart, a database's
// users go with it, and a revocation is found again.
func TestStateOnTheStore(t *testing.T) {
	t.Parallel()
	eng := memory.New()
	t.Cleanup(func() { _ = eng.Close() })
	open := func() *syncstore.Store {
		store, err := syncstore.Open(t.Context(), eng, syncstore.Options{})
		require.NoError(t, err)
		return store
	}
	store := open()
	made, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	db := Database{Name: "notes", ID: made.ID()}

	w := &world{t: t, issuer: newIssuer(t), site: &Site{}}
	start := func() {
		w.state, err = OpenState(t.Context(), store.Records(), nil)
		require.NoError(t, err)
		w.service = w.start()
	}
	stop := func() {
		w.service.Stop()
		w.state.Close()
		require.NoError(t, store.Close())
	}
	start()
	ended := w.issuer.token("alice", map[string]any{"jti": "ended"})
	post := request("POST", "/notes/_session", "", bearer(ended))
	resp, body := w.session(post, &db)
	require.Equal(t, 200, resp.StatusCode, body)
	list, err := w.state.Sessions(t.Context(), db.ID, "idp.example.com_alice")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, w.state.EndSession(t.Context(), db.ID, "idp.example.com_alice", list[0].Handle))
	kept := w.issuer.token("alice", map[string]any{"jti": "kept"})
	resp, _ = w.session(request("POST", "/notes/_session", "", bearer(kept)), &db)
	cookie := resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
	require.Eventually(t, func() bool { // the keys are stored behind the answer's back
		k, err := w.state.loadKeys(t.Context(), w.service.providers[0].source())
		return err == nil && k != nil
	}, 10*time.Second, time.Millisecond)
	stop()

	w.issuer.down()
	store = open()
	start()
	signIn := func(credentials string, db Database) error {
		_, err := w.service.Authenticate(get(credentials), w.site, db)
		return err
	}
	require.NoError(t, signIn(cookie, db))
	require.NoError(t, signIn(bearer(kept), db))
	require.Equal(t, "Invalid login: token revoked", asError(t, signIn(bearer(ended), db)).Reason)
	users, err := w.state.User(t.Context(), db.ID, "idp.example.com_alice")
	require.NoError(t, err)
	require.Len(t, users.Identities, 1)

	require.NoError(t, store.DeleteDatabase(t.Context(), "notes"))
	again, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	_, err = w.state.User(t.Context(), again.ID(), "idp.example.com_alice")
	require.ErrorIs(t, err, ErrNoUser)
	require.NoError(t, signIn(cookie, Database{"notes", again.ID()}), "and is registered anew")
	stop()
}
