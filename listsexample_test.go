package caddysync

import (
	"encoding/json"
	"net/http"
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
		many = `{"_id":"list:a","_rev":"1-a","type":"list","owner":"alice","name":"Food","members":["bob","dave","erin"],"by":"alice","at":"1"}`
		item = `{"_id":"item:1","type":"item","list":"list:a","text":"Milk"}`
		gone = `{"_id":"list:a","_deleted":true}`

		names = "owner, members: write up to 500 names of users, without / : , and `"
	)
	for name, c := range map[string]struct{ user, doc, old, refused string }{
		"a list":                         {"alice", list, "", ""},
		"another's list":                 {"bob", list, "", "sg wrong user"},
		"a list is changed by its owner": {"alice", list, list, ""},
		"not by a member":                {"bob", list, list, "sg wrong user"},
		"nor taken over":                 {"bob", `{"_id":"list:a","type":"list","owner":"bob"}`, list, "the owner of a list never changes"},
		"nor made an item":               {"bob", `{"_id":"list:a","type":"item","list":"list:a"}`, list, "the type of a document never changes"},
		"a list with another ID":         {"alice", `{"_id":"a","type":"list","owner":"alice"}`, "", `begin the ID of a list with "list:", and leave out commas`},
		"a member leaves":                {"bob", `{"_id":"list:a","type":"list","owner":"alice","members":[]}`, list, ""},
		"a member leaves, with members":  {"bob", `{"type":"list","members":["dave","erin"],"name":"Food","owner":"alice","_id":"list:a","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"by":"bob","at":"2"}`, many, ""},
		"whoever wrote it":               {"dave", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["bob","erin"]}`, many, ""},
		"a member puts out another":      {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["bob","erin"]}`, many, "sg wrong user"},
		"a member leaves with another":   {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["erin"]}`, many, "sg wrong user"},
		"a member brings in another":     {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["dave","erin","carol"]}`, many, "sg wrong user"},
		"a member puts others in order":  {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["erin","dave"]}`, many, "sg wrong user"},
		"a member leaves and renames":    {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Feud","members":["dave","erin"]}`, many, "sg wrong user"},
		"a member leaves and adds":       {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","more":1,"members":["dave","erin"]}`, many, "sg wrong user"},
		"a member leaves and attaches":   {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["dave","erin"],"_attachments":{"a":{"data":""}}}`, many, "sg wrong user"},
		"a member leaves and takes over": {"bob", `{"_id":"list:a","type":"list","owner":"bob","name":"Food","members":["dave","erin"]}`, many, "the owner of a list never changes"},
		"two names that look like one":   {"bob", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["dave,erin"]}`, many, "sg wrong user"},
		"who is no member leaves":        {"carol", `{"_id":"list:a","type":"list","owner":"alice","members":[]}`, list, "sg missing channel access"},
		"who is none any more leaves":    {"bob", `{"_id":"list:a","type":"list","owner":"alice","members":[]}`, `{"_id":"list:a","type":"list","owner":"alice"}`, "sg wrong user"},
		"the owner puts a member out":    {"alice", `{"_id":"list:a","type":"list","owner":"alice","name":"Food","members":["bob","erin"]}`, many, ""},
		"and all of them":                {"alice", `{"_id":"list:a","type":"list","owner":"alice","name":"Food"}`, many, ""},
		"a list is deleted by its owner": {"alice", gone, list, ""},
		"not by others":                  {"bob", gone, list, "sg wrong user"},
		"a deleted list stays deleted":   {"bob", `{"_id":"list:a","type":"list","owner":"bob"}`, gone, "a deleted list does not come back: choose another ID"},
		"an item":                        {"bob", item, "", ""},
		"an item with a list's ID":       {"bob", `{"_id":"list:b","type":"item","list":"list:a"}`, "", `begin the ID of an item with something else than "list:"`},
		"in a deleted list's place":      {"carol", `{"_id":"list:a","type":"item","list":"list:c"}`, gone, `begin the ID of an item with something else than "list:"`},
		"an item that says no text":      {"bob", `{"_id":"item:1","type":"item","list":"list:a","by":{"toString":1}}`, "", "text, by, at: write texts"},
		"a list that says no text":       {"alice", `{"_id":"list:a","type":"list","owner":"alice","at":["1"]}`, list, "text, by, at: write texts"},
		"such an item is deleted":        {"bob", `{"_id":"item:1","_deleted":true}`, `{"_id":"item:1","type":"item","list":"list:a","by":{"toString":1}}`, ""},
		"an item of others":              {"carol", item, "", "sg missing channel access"},
		"an item for everybody":          {"bob", `{"_id":"item:1","type":"item","list":"!"}`, "", "list: write the ID of a list"},
		"an item of lists of others":     {"bob", `{"_id":"item:1","type":"item","list":["list:a","list:c"]}`, "", "list: write the ID of a list"},
		"an item by what everybody has":  {"erin", `{"_id":"item:1","type":"item","list":["list:a","!"]}`, "", "list: write the ID of a list"},
		"a list with no name of a user":  {"alice", `{"_id":"list:a","type":"list","owner":"alice","members":["bob, carol"]}`, list, names},
		"a list with something else":     {"alice", `{"_id":"list:a","type":"list","owner":"alice","members":{}}`, list, names},
		"a list without a text as name":  {"alice", `{"_id":"list:a","type":"list","owner":"alice","name":5}`, list, "name: write a text; members: write an array"},
		"a list with members as a text":  {"alice", `{"_id":"list:a","type":"list","owner":"alice","members":"bob"}`, list, "name: write a text; members: write an array"},
		"a list of a role":               {"alice", `{"_id":"list:a","type":"list","owner":"alice","members":["role:admin"]}`, list, names},
		"a list with a comma":            {"alice", `{"_id":"list:a,b","type":"list","owner":"alice"}`, "", `begin the ID of a list with "list:", and leave out commas`},
		"a member leaves with an end":    {"bob", `{"_id":"list:a","_exp":1,"type":"list","owner":"alice","members":[]}`, list, "_exp: delete it instead"},
		"an item is changed by members":  {"bob", item, item, ""},
		"an item is not taken away":      {"carol", `{"_id":"item:1","type":"item","list":"list:c"}`, item, "sg missing channel access"},
		"an item is deleted by members":  {"bob", `{"_id":"item:1","_deleted":true}`, item, ""},
		"an item is not by others":       {"carol", `{"_id":"item:1","_deleted":true}`, item, "sg missing channel access"},
		"what was not there":             {"bob", gone, "", "sg admin required"},
		"something else":                 {"bob", `{"_id":"x","type":"x"}`, "", `type: write "list" or "item"`},
	} {
		channels := map[string][]string{"alice": {"list:a"}, "bob": {"list:a"}, "carol": {"list:c"}, "dave": {"list:a"}}
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
	trial, err := access.Try(t.Context(), function, access.Attempt{
		Doc: json.RawMessage(`{"_id":"list:a","type":"list","owner":"alice","members":[]}`), OldDoc: json.RawMessage(list),
		User: &access.AttemptUser{Name: "bob", Channels: []string{"list:a"}},
	})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"alice": {"list:a"}}, trial.Access, "who has left has it no more")
	trial, err = access.Try(t.Context(), function, access.Attempt{Doc: json.RawMessage(gone), OldDoc: json.RawMessage(list)})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"alice": {"list:a"}, "bob": {"list:a"}}, trial.Access, "they hear of the deletion")
}

// In examples/moderated-lists, whoever has a list ticks off an item that has attachments, and changes none.
func TestModeratedListsKeepAnItemsAttachmentsItsAuthors(t *testing.T) {
	s := newAccessSite(t)
	require.NoError(t, s.load(s.with("database lists {\n sync_function examples/moderated-lists/lists.sync.js\n}")))
	s.writes("alice", "/lists/list:alice:food", `{"type":"list","owner":"alice","title":"Food"}`, 201)
	for _, member := range []string{"bob", "frank"} {
		s.writes("alice", "/lists/share:alice:food:"+member, `{"type":"share"}`, 201)
	}
	const path, item = "/lists/item:alice:food:1", `"type":"item","text":"Bread","by":"bob","done":`
	s.writes("bob", path, `{`+item+`false,"_attachments":{"photo":{"content_type":"image/png","data":"AAEC"}}}`, 201)
	rev := func() string {
		status, text := s.as("frank", http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, status, text)
		var doc struct {
			Rev string `json:"_rev"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &doc))
		return doc.Rev
	}
	only := "only its author, the owner of the list and moderators change more than done"
	s.writes("frank", path+"?rev="+rev(), `{`+item+`true,"_attachments":{"photo":{"stub":true}}}`, 201)
	status, text := s.as("frank", http.MethodPut, path+"/another?rev="+rev(), "AAEC")
	require.Equal(t, http.StatusForbidden, status, text)
	s.writes("frank", path+"?rev="+rev(), `{`+item+`true}`, 403, only)
	s.writes("frank", path+"?rev="+rev(), `{`+item+`true,"_attachments":{"photo":{"content_type":"image/png","data":"AAED"}}}`, 403, only)
	s.writes("bob", path+"?rev="+rev(), `{`+item+`true}`, 201)
}
