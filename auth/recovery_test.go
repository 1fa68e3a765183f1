package auth

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

const alice = "idp.example.com_alice"

// doubtfulWorld is a world on a store, whose next commit is in doubt when doubt is called: it is not acknowledged, and
// there all the same. settle waits until the store was recovered. It has to be in a bubble.
func doubtfulWorld(t *testing.T) (w *world, db Database, doubt, settle func()) {
	t.Helper()
	eng := memory.New()
	store, err := syncstore.Open(t.Context(), eng, syncstore.Options{})
	require.NoError(t, err)
	made, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	w = &world{t: t, issuer: newIssuer(t), site: &Site{}}
	w.state, err = OpenState(t.Context(), store.Records(), nil)
	require.NoError(t, err)
	w.service = w.start()
	t.Cleanup(func() {
		w.service.Stop()
		w.state.Close()
		require.NoError(t, store.Close())
	})
	settle = func() {
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
	doubt = func() {
		settle() // what is written beside requests is not meant
		eng.FailNext(engine.ErrDoubtful)
	}
	return w, Database{Name: "notes", ID: made.ID()}, doubt, settle
}

// An administrator ends a session, is told to try again, and then that there is none.
func TestDecision4_ATokenRefusedByACommitInDoubtIsRefusedAfterTheRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db, doubt, settle := doubtfulWorld(t)
		token := w.issuer.token("alice")
		resp, body := w.session(request("POST", "/notes/_session", "", bearer(token)), &db)
		require.Equal(t, 200, resp.StatusCode, body)
		list, err := w.state.Sessions(t.Context(), db.ID, alice)
		require.NoError(t, err)

		doubt()
		p, err := w.service.Authenticate(get(bearer(token)), w.site, db)
		require.NoError(t, err)
		feed := w.lease(p)
		require.ErrorIs(t, w.state.EndSession(t.Context(), db.ID, alice, list[0].Handle), syncstore.ErrUnavailable)
		settle()
		require.ErrorIs(t, w.state.EndSession(t.Context(), db.ID, alice, list[0].Handle), ErrNoSession)
		_, err = w.service.Authenticate(get(bearer(token)), w.site, db)
		require.Equal(t, "Invalid login: token revoked", asError(t, err).Reason)
		require.True(t, ended(feed))
	})
}

// A provider logs out in the second in which it issued the token, is told to try again, and then that it is done.
func TestDecision4_AProvidersLogoutByACommitInDoubtRefusesTokensOfItsSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db, doubt, settle := doubtfulWorld(t)
		token := bearer(w.issuer.token("alice"))
		logout := ProviderLogout{Issuer: w.issuer.url, Subject: "alice", Issued: time.Now(), TokenID: "1"}
		signIn := func() error {
			_, err := w.service.Authenticate(get(token), w.site, db)
			return err
		}
		require.NoError(t, signIn())

		doubt()
		_, err := w.state.LogOut(t.Context(), logout)
		require.ErrorIs(t, err, syncstore.ErrUnavailable)
		settle()
		ended, err := w.state.LogOut(t.Context(), logout)
		require.NoError(t, err)
		require.Zero(t, ended, "it is done")
		require.Equal(t, "Invalid login: token revoked", asError(t, signIn()).Reason)
	})
}

// settle waits until what a first sign-in writes beside it is written: the provider's keys.
func (w *world) settle() {
	w.in(bearer(w.issuer.token("bob")))
	time.Sleep(time.Second)
	synctest.Wait()
}

// lostCommit are records whose next commit is in doubt: it is seen until the store is recovered, and gone then.
type lostCommit struct {
	*memoryRecords
	before map[string]memoryRecord
	doubt  bool
}

func (l *lostCommit) Update(ctx context.Context, fn func(syncstore.RecordTx) error) error {
	if !l.doubt {
		return l.memoryRecords.Update(ctx, fn)
	}
	l.before, l.doubt = l.data, false
	if err := l.memoryRecords.Update(ctx, fn); err != nil {
		return err
	}
	return fmt.Errorf("%w: a commit is in doubt", syncstore.ErrUnavailable)
}

func (l *lostCommit) recover(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	l.data = l.before
	l.mu.Unlock()
	require.NoError(t, l.recovered(t.Context()))
}

// To enable a user, a commit that comes to nothing: whoever asked meanwhile, or is still asking when it is gone, leaves
// nothing of it behind in the caches.
func TestDecision32_CachesForgetWhatACommitShowedThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settle()
		lost := &lostCommit{memoryRecords: w.records}
		w.state.records = lost
		w.in(bearer(w.issuer.token("alice")))
		require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, alice, true))
		later := bearer(w.issuer.token("alice", map[string]any{"jti": "later"}))
		slow := bearer(w.issuer.token("alice", map[string]any{"jti": "slow"}))
		require.Equal(t, 401, w.out(later).Status)

		lost.doubt = true
		require.ErrorIs(t, w.state.SetDisabled(t.Context(), notes.ID, alice, false), syncstore.ErrUnavailable)
		feed := w.lease(w.in(later))
		w.state.users.drop(userRef{notes.ID, alice})
		recovery := func() { // while the next request reads the user
			w.records.delay.Store(nil)
			lost.recover(t)
		}
		w.records.delay.Store(&recovery)
		w.in(slow)
		require.Equal(t, 401, w.out(slow).Status)
		require.Equal(t, 401, w.out(later).Status)
		w.state.background.Wait()
		require.True(t, ended(feed))
	})
}

// A session that a commit in doubt ended, unseen until the recovery, is not kept by who read it meanwhile.
func TestDecision32_CachesForgetWhatACommitHadNotShownYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settle()
		cookie := w.signIn(w.issuer.token("alice"))
		feed := w.lease(w.in(cookie))
		before := w.records.data
		list, err := w.state.Sessions(t.Context(), notes.ID, alice)
		require.NoError(t, err)
		require.NoError(t, w.state.EndSession(t.Context(), notes.ID, alice, list[0].Handle))
		require.Equal(t, 401, w.out(cookie).Status)
		w.records.data, before = before, w.records.data
		w.in(cookie)
		open := w.lease(w.in(cookie))

		w.records.data = before
		require.NoError(t, w.records.recovered(t.Context()))
		require.Equal(t, 401, w.out(cookie).Status)
		w.state.background.Wait()
		require.True(t, ended(feed))
		require.True(t, ended(open))
	})
}

// A recovery that cannot learn which tokens are refused is none.
func TestDecision32_ARecoveryFailsWithTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.records.broken.Store(true)
	require.ErrorIs(t, w.records.recovered(t.Context()), errBrokenStore)
	w.records.broken.Store(false)
	require.NoError(t, w.records.recovered(t.Context()))
}
