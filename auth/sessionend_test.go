package auth

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// largestUpdate notes how many keys the largest transaction wrote, and how many it read.
type largestUpdate struct {
	records
	keys, reads int
}

func (l *largestUpdate) Update(ctx context.Context, fn func(syncstore.RecordTx) error) error {
	return l.records.Update(ctx, func(tx syncstore.RecordTx) error {
		counting := &countingTx{RecordTx: tx}
		err := fn(counting)
		l.keys, l.reads = max(l.keys, counting.keys), max(l.reads, counting.reads)
		return err
	})
}

// countingTx counts what the store writes: what expires, and what is logged, has a second key.
type countingTx struct {
	syncstore.RecordTx
	keys, reads int
}

func (t *countingTx) Get(db uint32, key []byte) ([]byte, error) {
	t.reads++
	return t.RecordTx.Get(db, key)
}

func (t *countingTx) Put(db uint32, key, value []byte, expires time.Time) {
	t.keys += 2
	t.RecordTx.Put(db, key, value, expires)
}

func (t *countingTx) Delete(db uint32, key []byte) {
	t.keys++
	t.RecordTx.Delete(db, key)
}

func (t *countingTx) Log(event []byte) {
	t.keys += 2
	t.RecordTx.Log(event)
}

// A store takes some thousand keys in one transaction. Nobody may be beyond being signed out for
// having signed in often.
func TestThousandsOfSessionsEndInSeveralTransactions(t *testing.T) {
	t.Parallel()
	const sessions = 3*maxEnded + 1
	const name = "idp.example.com_alice"
	hash := ""
	for how, act := range map[string]struct {
		end func(*world) error
		own bool // sessions of the user, and not of the identity
	}{
		"all ended": {end: func(w *world) error { return w.state.EndAllSessions(t.Context(), notes.ID, name) }},
		"a new password": {own: true, end: func(w *world) error {
			_, err := w.state.PutUser(t.Context(), notes.ID, name, UserUpdate{PasswordHash: &hash})
			return err
		}},
		"deleted": {own: true, end: func(w *world) error { return w.state.DeleteUser(t.Context(), notes.ID, name) }},
		"logged out by the provider": {end: func(w *world) error {
			ended, err := w.state.LogOut(t.Context(), ProviderLogout{Issuer: w.issuer.url, Subject: "alice", Issued: time.Now(), TokenID: "1"})
			require.Equal(t, sessions, ended)
			return err
		}},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.in(bearer(w.issuer.token("alice")))
			now := time.Now()
			var cookies []string
			for i := range sessions {
				x := &session{
					Provider: "idp", Identity: Identity{w.issuer.url, "alice"}, Token: make([]byte, 32), TokenIssued: now.Unix(),
					TokenEnd: now.Add(time.Hour).UnixMilli(), Created: now.UnixMicro(), Expires: now.Add(time.Hour).UnixMilli(),
				}
				if act.own {
					x = &session{Method: MethodAdmin, DB: notes.ID, User: name, Created: now.UnixMicro(), Expires: now.Add(time.Hour).UnixMilli()}
				} else {
					copy(x.Token, fmt.Sprint("token ", i))
				}
				id, err := w.state.newSession(t.Context(), x)
				require.NoError(t, err)
				cookies = append(cookies, "SyncGatewaySession="+id)
			}
			lease := w.lease(w.in(cookies[sessions-1]))
			counted := &largestUpdate{records: w.records}
			w.state.records = counted
			require.NoError(t, act.end(w))
			require.Less(t, counted.keys, 5000)
			require.True(t, ended(lease))
			for _, cookie := range cookies {
				key, _ := hashSessionID(cookie[len("SyncGatewaySession="):])
				x, err := w.state.session(t.Context(), key)
				require.NoError(t, err)
				require.Nil(t, x)
			}
		})
	}
}

// Every write waits for a transaction.
func TestEndingOneSessionDoesNotReadAllThatTheUserHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const name = "idp.example.com_alice"
	cookies := []string{w.signIn(w.issuer.token("alice"))}
	for range 20 {
		cookies = append(cookies, w.signIn(w.issuer.token("alice")))
	}
	w.signIn(w.issuer.token("bob"))
	list, err := w.state.Sessions(t.Context(), notes.ID, name)
	require.NoError(t, err)
	require.Len(t, list, len(cookies))
	counted := &largestUpdate{records: w.records}
	w.state.records = counted
	require.ErrorIs(t, w.state.EndSession(t.Context(), notes.ID, "idp.example.com_bob", list[0].Handle), ErrNoSession, "another's")
	require.NoError(t, w.state.EndSession(t.Context(), notes.ID, name, list[0].Handle))
	require.ErrorIs(t, w.state.EndSession(t.Context(), notes.ID, name, list[0].Handle), ErrNoSession)
	require.ErrorIs(t, w.state.EndSession(t.Context(), notes.ID, "nobody", list[1].Handle), ErrNoUser)
	require.Less(t, counted.reads, 10)
	left, err := w.state.Sessions(t.Context(), notes.ID, name)
	require.NoError(t, err)
	require.Len(t, left, len(list)-1)
}
