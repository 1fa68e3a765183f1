package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// ops is a site whose administrators have the role.
var ops = &Site{Admin: &AdminRule{Roles: []string{"ops"}}}

// administrator signs in at a site of ops.
func (w *world) administrator(credentials string) (*Principal, error) {
	return w.service.Authenticate(get(credentials), ops, notes)
}

// opsLease is the lease of an administrator.
func (w *world) opsLease(credentials string) *Lease {
	w.t.Helper()
	p, err := w.administrator(credentials)
	require.NoError(w.t, err, detail(err))
	require.True(w.t, p.Admin)
	return w.lease(p)
}

func (w *world) giveRoles(name string, roles ...string) {
	w.t.Helper()
	_, err := w.state.PutUser(w.t.Context(), notes.ID, name, UserUpdate{AdminRoles: &roles})
	require.NoError(w.t, err)
}

// A role that was deleted gives nothing, so it makes no administrators either, and those whom it made are none any
// more. One that was never made does, and one that is made again.
func TestADeletedRoleMakesNoAdministrators(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
	w.giveRoles("alice", "ops")
	byToken := map[string]any{"roles": "ops"}
	cookie := w.signIn(w.issuer.token("alice"))
	w.giveRoles("idp.example.com_alice", "ops")
	all := map[string]string{
		"given by an administrator, cookie": cookie, "given by an administrator, token": bearer(w.issuer.token("alice")),
		"given by an administrator, password": basic("alice", "alice's password"),
		"given by the token, no user":         bearer(w.issuer.token("nobody", byToken)),
		"given by the token":                  bearer(w.issuer.token("bob", byToken)),
	}
	w.in(all["given by the token"])
	leases := map[string]*Lease{}
	for name, credentials := range all {
		leases[name] = w.opsLease(credentials)
	}
	_, err := w.state.PutRole(t.Context(), notes.ID, "ops", RoleUpdate{})
	require.NoError(t, err)
	for name, l := range leases {
		require.False(t, ended(l), name)
	}

	require.NoError(t, w.state.DeleteRole(t.Context(), notes.ID, "ops", false))
	for name, credentials := range all {
		_, err = w.administrator(credentials)
		require.Equal(t, 403, asError(t, err).Status, name)
		require.True(t, ended(leases[name]), name)
	}
	_, err = w.state.PutRole(t.Context(), notes.ID, "ops", RoleUpdate{})
	require.NoError(t, err)
	for name, credentials := range all {
		_, err = w.administrator(credentials)
		require.NoError(t, err, name)
	}
}

// A user's roles are those of the newest token. Who lost the one of administrators does not keep it by an older token,
// wherever the newer ones were shown.
func TestAnOlderTokenMakesNoAdministrator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
		token := func(roles ...string) string {
			time.Sleep(2 * time.Second)
			return bearer(w.issuer.token("alice", map[string]any{"roles": roles}))
		}
		first := token("ops")
		l := w.opsLease(first)
		_, err := w.state.User(t.Context(), notes.ID, "idp.example.com_alice")
		require.ErrorIs(t, err, ErrNoUser, "administrators are not signed up")
		w.in(first)
		require.False(t, ended(l))
		w.in(token())
		require.True(t, ended(l))
		_, err = w.administrator(first)
		require.Equal(t, 403, asError(t, err).Status)

		again := token("ops")
		l = w.opsLease(again) // the newest of all
		w.in(token())
		require.True(t, ended(l))
		_, err = w.administrator(again)
		require.Equal(t, 403, asError(t, err).Status, "the newest one is another, and that one was shown")

		again = token("ops")
		l = w.opsLease(again)
		_, err = w.administrator(token())
		require.Equal(t, 403, asError(t, err).Status)
		require.True(t, ended(l), "it was shown to administrators only")
		_, err = w.administrator(again)
		require.Equal(t, 403, asError(t, err).Status)
	})
}

// An administrator whose newest token gives the role comes in while the store takes no writes: to mend that is their job.
func TestTheNewestTokenMakesAnAdministratorWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
		w.in(bearer(w.issuer.token("alice")))
		time.Sleep(2 * time.Second)
		full := syncstore.ErrInsufficientStorage
		w.records.refuse.Store(&full)
		w.opsLease(bearer(w.issuer.token("alice", map[string]any{"roles": "ops"})))
	})
}

// An administrator's token is of nobody known by name, and yet its lease ends when what its user was given goes.
func TestALeaseOfAnAdministratorEndsWithTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.issuer.token("alice")
	cookie := w.signIn(token)
	w.giveRoles("idp.example.com_alice", "ops")
	byToken, byCookie := w.opsLease(bearer(token)), w.opsLease(cookie)
	w.giveRoles("idp.example.com_alice", "ops", "staff")
	require.False(t, ended(byToken))
	require.False(t, ended(byCookie))
	w.giveRoles("idp.example.com_alice", "staff")
	require.True(t, ended(byToken))
	require.True(t, ended(byCookie))
}

// What a role let in ends when it goes, whoever gave it and whoever takes it, and what needs none goes on.
func TestARequiredRoleIsOfTheLease(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*world){
		"taken by an administrator": func(w *world) { w.giveRoles("alice"); w.giveRoles("idp.example.com_alice") },
		"deleted": func(w *world) {
			_, err := w.state.PutRole(w.t.Context(), notes.ID, "staff", RoleUpdate{})
			require.NoError(w.t, err)
			require.NoError(w.t, w.state.DeleteRole(w.t.Context(), notes.ID, "staff", false))
		},
	} {
		w := passwordWorld(t)
		token := w.issuer.token("alice")
		all := []string{bearer(token), w.signIn(token), basic("alice", "alice's password")}
		w.giveRoles("alice", "staff", "other")
		w.giveRoles("idp.example.com_alice", "staff", "other")
		var staff, anybody []*Lease
		for _, credentials := range all {
			p := w.in(credentials)
			_, err := w.service.RequireRole(t.Context(), p, []string{"boss"})
			require.Equal(t, 403, asError(t, err).Status, name)
			q, err := w.service.RequireRole(t.Context(), p, []string{"boss", "staff"})
			require.NoError(t, err)
			staff, anybody = append(staff, w.lease(q)), append(anybody, w.lease(p))
		}
		take(w)
		for i, credentials := range all {
			require.True(t, ended(staff[i]), name)
			require.Equal(t, "the user has none of the required roles", staff[i].Reason())
			require.False(t, ended(anybody[i]), name)
			_, err := w.service.RequireRole(t.Context(), w.in(credentials), []string{"staff"})
			require.Equal(t, 403, asError(t, err).Status, name)
		}
	}
}
