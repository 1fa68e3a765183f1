package auth

import (
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// Every change of a session or user is in the auth log, and a node that follows the log
// drops what it had cached and ends its leases.
func TestDecision36_AnotherNodeFollowsTheLog(t *testing.T) {
	t.Parallel()
	const alice = "idp.example.com_alice"
	for _, c := range []struct {
		name  string
		do    func(a *world, cookie string)
		token bool // ends the lease of the token too
	}{
		{"sign-out", func(a *world, cookie string) {
			a.session(request("DELETE", "/notes/_session", "", cookie), &notes)
		}, false},
		{"session ended", func(a *world, _ string) {
			list, _ := a.state.Sessions(a.t.Context(), notes.ID, alice)
			require.NoError(a.t, a.state.EndSession(a.t.Context(), notes.ID, alice, list[0].Handle))
		}, true},
		{"all ended", func(a *world, _ string) {
			require.NoError(a.t, a.state.EndAllSessions(a.t.Context(), notes.ID, alice))
		}, true},
		{"disabled", func(a *world, _ string) {
			require.NoError(a.t, a.state.SetDisabled(a.t.Context(), notes.ID, alice, true))
		}, true},
		{"deleted", func(a *world, _ string) {
			require.NoError(a.t, a.state.DeleteUser(a.t.Context(), notes.ID, alice))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newWorld(t)
			b := &world{t: t, issuer: a.issuer, records: a.records, site: a.site}
			b.state = openTestState(t, b.records)
			b.service = b.start()

			tok := a.issuer.token("alice")
			cookie := a.signIn(tok)
			byToken, bySession := b.lease(b.in(bearer(tok))), b.lease(b.in(cookie))
			seen := len(a.records.log)
			c.do(a, cookie)
			require.Greater(t, len(a.records.log), seen)
			require.False(t, ended(bySession), "it does not know yet")
			for _, e := range a.records.log {
				require.NoError(t, b.state.Apply([]byte(e)))
			}
			require.True(t, ended(bySession))
			require.Equal(t, c.token, ended(byToken))
			require.Equal(t, 401, b.out(cookie).Status)
		})
	}
}

func TestDamagedEventsAreErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, bad := range []string{"", "[]", `{"k":"session"}`, `{"k":"session","s":"AA=="}`, `{"k":"identity"}`, `{"k":"token","i":""}`, `{"k":"user","i":"AA=="}`} {
		require.ErrorIs(t, w.state.Apply([]byte(bad)), syncstore.ErrDamaged, bad)
	}
	require.NoError(t, w.state.Apply([]byte(`{"k":"of-a-newer-node"}`)))
}

// What is new makes nothing stale, so signing up writes no events, which every node would
// have to follow; what changes does.
func TestSigningUpWritesNoEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(bearer(w.issuer.token("first"))) // the provider's keys are stored behind the answer's back
	before := len(w.records.log)
	cookie := w.signIn(w.issuer.token("alice"))
	w.in(cookie)
	require.Len(t, w.records.log, before)
	require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "idp.example.com_alice", true))
	require.Greater(t, len(w.records.log), before)
	require.Equal(t, "user is disabled", w.out(cookie).Detail)
}
