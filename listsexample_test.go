package caddysync

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/stretchr/testify/require"
)

// TestListsOfTheQuickstart tries the quickstart's sync function on what its users may do.
func TestListsOfTheQuickstart(t *testing.T) {
	t.Parallel()
	const file = "examples/quickstart/lists.sync.js"
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	function, err := access.NewSyncFunction(file, string(source), access.Options{})
	require.NoError(t, err)
	const (
		list = `{"_id":"list:a","type":"list","owner":"alice","members":["bob"]}`
		item = `{"_id":"item:1","type":"item","list":"list:a","text":"Milk"}`
		gone = `{"_id":"list:a","_deleted":true}`
	)
	for name, c := range map[string]struct{ user, doc, old, refused string }{
		"a list":                         {"alice", list, "", ""},
		"another's list":                 {"bob", list, "", "sg wrong user"},
		"a list is changed by its owner": {"alice", list, list, ""},
		"not by a member":                {"bob", list, list, "sg wrong user"},
		"nor taken over":                 {"bob", `{"_id":"list:a","type":"list","owner":"bob"}`, list, "the owner of a list never changes"},
		"nor made an item":               {"bob", `{"_id":"list:a","type":"item","list":"list:a"}`, list, "the type of a document never changes"},
		"a list with another ID":         {"alice", `{"_id":"a","type":"list","owner":"alice"}`, "", `begin the ID of a list with "list:"`},
		"a list is deleted by its owner": {"alice", gone, list, ""},
		"not by others":                  {"bob", gone, list, "sg wrong user"},
		"a deleted list stays deleted":   {"bob", `{"_id":"list:a","type":"list","owner":"bob"}`, gone, "a deleted list does not come back: choose another ID"},
		"an item":                        {"bob", item, "", ""},
		"an item of others":              {"carol", item, "", "sg missing channel access"},
		"an item for everybody":          {"bob", `{"_id":"item:1","type":"item","list":"!"}`, "", "list: write the ID of a list"},
		"an item is changed by members":  {"bob", item, item, ""},
		"an item is not taken away":      {"carol", `{"_id":"item:1","type":"item","list":"list:c"}`, item, "sg missing channel access"},
		"an item is deleted by members":  {"bob", `{"_id":"item:1","_deleted":true}`, item, ""},
		"an item is not by others":       {"carol", `{"_id":"item:1","_deleted":true}`, item, "sg missing channel access"},
		"what was not there":             {"bob", gone, "", "sg admin required"},
		"something else":                 {"bob", `{"_id":"x","type":"x"}`, "", `type: write "list" or "item"`},
	} {
		channels := map[string][]string{"alice": {"list:a"}, "bob": {"list:a"}, "carol": {"list:c"}}
		trial, err := access.Try(t.Context(), function, access.Attempt{
			Doc: json.RawMessage(c.doc), OldDoc: json.RawMessage(c.old),
			User: &access.AttemptUser{Name: c.user, Channels: channels[c.user]},
		})
		require.NoError(t, err, name)
		require.Equal(t, c.refused, trial.Exception, name)
		if c.refused == "" {
			require.Equal(t, []string{"list:a"}, trial.Channels, name)
		}
	}
	trial, err := access.Try(t.Context(), function, access.Attempt{Doc: json.RawMessage(gone), OldDoc: json.RawMessage(list)})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"alice": {"list:a"}, "bob": {"list:a"}}, trial.Access, "they hear of the deletion")
}
