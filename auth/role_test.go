package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRolesGiveWhileTheyAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(channels ...string) {
		t.Helper()
		_, err := w.state.PutRole(t.Context(), notes.ID, "staff", RoleUpdate{AdminChannels: &channels})
		require.NoError(t, err)
	}
	channels := func() []string {
		t.Helper()
		u, err := w.state.User(t.Context(), notes.ID, "alice")
		require.NoError(t, err)
		info, err := w.service.userInfo(t.Context(), notes, &u)
		require.NoError(t, err)
		require.Equal(t, []string{"staff"}, info.Roles)
		return info.AllChannels
	}
	roles := []string{"staff"}
	_, err := w.state.PutUser(t.Context(), notes.ID, "alice", UserUpdate{AdminRoles: &roles})
	require.NoError(t, err)
	require.Equal(t, []string{"!"}, channels())
	put("a", "b")
	require.Equal(t, []string{"!", "a", "b"}, channels())
	_, err = w.state.PutRole(t.Context(), notes.ID, "staff", RoleUpdate{New: true})
	require.ErrorIs(t, err, ErrRoleExists)
	require.NoError(t, w.state.DeleteRole(t.Context(), notes.ID, "staff", false))
	require.Equal(t, []string{"!"}, channels())
	_, err = w.state.Role(t.Context(), notes.ID, "staff")
	require.ErrorIs(t, err, ErrNoRole)
	put("c")
	require.Equal(t, []string{"!", "c"}, channels())
	require.NoError(t, w.state.DeleteRole(t.Context(), notes.ID, "staff", true))
	require.Equal(t, []string{"!"}, channels())
	require.ErrorIs(t, w.state.DeleteRole(t.Context(), notes.ID, "staff", true), ErrNoRole)
}

// A role is of one database.
func TestRolesArePerDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.state.PutRole(t.Context(), notes.ID, "staff", RoleUpdate{})
	require.NoError(t, err)
	_, err = w.state.Role(t.Context(), notes.ID+1, "staff")
	require.ErrorIs(t, err, ErrNoRole)
}

func TestAnotherNodesRoleIsTakenUp(t *testing.T) {
	t.Parallel()
	records := newMemoryRecords()
	here, there := openTestState(t, records), openTestState(t, records)
	_, err := here.Role(t.Context(), notes.ID, "staff")
	require.ErrorIs(t, err, ErrNoRole)
	_, err = there.PutRole(t.Context(), notes.ID, "staff", RoleUpdate{})
	require.NoError(t, err)
	require.NoError(t, here.Apply([]byte(`{"k":"role","db":7,"n":"staff"}`)))
	_, err = here.Role(t.Context(), notes.ID, "staff")
	require.NoError(t, err)
}

func TestCollectionGrantsChangeInPart(t *testing.T) {
	t.Parallel()
	before := CollectionGrants{"s": {"a": {"1"}, "b": {"2"}}}
	after := before.with(CollectionGrants{"s": {"b": nil}, "t": {"c": {"3"}}})
	require.Equal(t, CollectionGrants{"s": {"a": {"1"}}, "t": {"c": {"3"}}}, after)
	require.Equal(t, CollectionGrants{"s": {"a": {"1"}, "b": {"2"}}}, before, "shared values do not change")
	require.Empty(t, after.with(CollectionGrants{"s": {"a": {}}, "t": {"c": {}}}))
}
