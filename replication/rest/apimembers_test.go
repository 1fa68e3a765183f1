package rest

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/query/view"
	"github.com/stretchr/testify/require"
)

// What tests are answered is held against the schemas as it comes; this holds the members
// that no test may have seen.
func TestAPIDescribesEveryMember(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"User":        jsonMembers(auth.UserInfo{}),
		"UserChange":  slices.Concat(userMembers, userReadOnly),
		"Role":        jsonMembers(auth.RoleInfo{}),
		"RoleChange":  slices.Concat(roleMembers, roleReadOnly),
		"Identity":    jsonMembers(auth.Identity{}),
		"Explanation": jsonMembers(auth.Explanation{}),
		"Replicate":   jsonMembers(replicateBody{}),
		"Replicated":  append(jsonMembers(replicateAnswer{}), "_local_id"),

		"ReplicationStatus": jsonMembers(replicationStatus{}),
		"Resync":            jsonMembers(resyncAnswer{}),
		"Attempt":           jsonMembers(access.Attempt{}),
		"Trial":             jsonMembers(access.Trial{}),
		"TokenToExplain":    {"token", "database"},
	} {
		got, err := described().Members(name)
		require.NoError(t, err)
		require.Equal(t, sorted(want), got, name)
	}
	tasks, err := described().Schema("ActiveTasks")
	require.NoError(t, err)
	members := slices.Concat(jsonMembers(activeTask{}), jsonMembers(view.Task{}), jsonMembers(replicationTask{}))
	require.Equal(t, slices.Compact(sorted(members)), slices.Compact(itemMembers(tasks)))
	grants, err := described().Schema("Grants")
	require.NoError(t, err)
	require.Equal(t, sorted(jsonMembers(heldGrant{})), itemMembers(grants))
}

// itemMembers are the properties of the elements of a schema's arrays.
func itemMembers(schema map[string]any) []string {
	items, _ := schema["items"].(map[string]any)
	properties, _ := items["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}

// jsonMembers are the members that a struct has in JSON.
func jsonMembers(v any) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
