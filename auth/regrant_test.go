package auth

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestRegrantHandsTheIndexAllThatIsGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, grantClaims)
	w.in(bearer(w.issuer.token("alice", map[string]any{"channels": "t"})))
	for i := range regrantBatch + 1 {
		w.put(fmt.Sprintf("u%d", i), UserUpdate{AdminChannels: &[]string{"a"}})
	}
	for _, name := range []string{"staff", "gone"} {
		_, err := w.state.PutRole(t.Context(), notes.ID, name, RoleUpdate{AdminChannels: &[]string{"b"}})
		require.NoError(t, err)
	}
	require.NoError(t, w.state.DeleteRole(t.Context(), notes.ID, "gone", false))
	_, err := w.state.PutUser(t.Context(), notes.ID+1, "elsewhere", UserUpdate{AdminChannels: &[]string{"a"}})
	require.NoError(t, err)

	index := w.records.given
	delete(index, grantee{notes.ID, syncstore.RolePrincipal("gone"), byAdmin}) // nothing
	delete(index, grantee{notes.ID + 1, "elsewhere", byAdmin})
	w.records.given = map[grantee][]syncstore.Given{}
	updates := w.records.updates.Load()
	require.NoError(t, w.state.Regrant(t.Context(), notes.ID))
	require.EqualValues(t, 3, w.records.updates.Load()-updates, "in parts")
	for g, given := range w.records.given {
		require.Equal(t, index[g], given, g)
		delete(index, g)
	}
	require.Empty(t, index)
}
