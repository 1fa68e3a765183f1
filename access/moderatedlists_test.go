package access

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The people of examples/moderated-lists, as its sync function meets them. Bob's item is in
// alice's list, which she shares with bob and frank.
var listPeople = map[byte]*AttemptUser{
	'o': {Name: "alice", Channels: []string{"list:alice:food"}},
	'a': {Name: "bob", Channels: []string{"list:alice:food"}},
	'm': {Name: "frank", Channels: []string{"list:alice:food"}},
	'M': {Name: "carol", Roles: []string{"moderator"}, Channels: []string{"moderation"}},
	'A': {Name: "erin", Roles: []string{"admin"}, Channels: []string{"moderation"}},
	's': {Name: "dave"},
	'g': {Name: ""},
	'*': nil, // the administrator
}

const everybody = "oamMAsg*"

func moderatedLists(t *testing.T) *SyncFunction {
	t.Helper()
	source, err := os.ReadFile("../examples/moderated-lists/lists.sync.js")
	require.NoError(t, err)
	f, err := NewSyncFunction("lists.sync.js", string(source), Options{})
	require.NoError(t, err)
	return f
}

// TestModeratedListsWhoMayDoWhat is the table of the example's README.
func TestModeratedListsWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	const (
		list     = `{"_id":"list:alice:food","type":"list","owner":"alice","title":"Food"}`
		renamed  = `{"_id":"list:alice:food","type":"list","owner":"alice","title":"Food and drinks"}`
		share    = `{"_id":"share:alice:food:bob","type":"share"}`
		item     = `{"_id":"item:alice:food:1","type":"item","text":"Bread","done":false,"by":"bob"}`
		ticked   = `{"_id":"item:alice:food:1","type":"item","text":"Bread","done":true,"by":"bob"}`
		expiring = `{"_exp":3600,"_id":"item:alice:food:1","type":"item","text":"Bread","done":true,"by":"bob"}`
		marked   = `{"_id":"item:alice:food:1","type":"item","text":"Bread","done":false,"by":"bob","colour":"red"}`
		edited   = `{"_id":"item:alice:food:1","type":"item","text":"Rye bread","done":false,"by":"bob"}`
		carol    = `{"_id":"moderator:carol","type":"moderator"}`
	)
	gone := func(id string) string { return `{"_id":"` + id + `","_deleted":true}` }
	for act, test := range map[string]struct{ doc, oldDoc, who, others string }{
		"make the list":            {list, "null", "o*", "only you can be the owner of a list that you make"},
		"rename the list":          {renamed, list, "oM*", "only its owner and moderators change a list"},
		"delete the list":          {gone("list:alice:food"), list, "oM*", "only its owner and moderators change a list"},
		"make it again":            {list, gone("list:alice:food"), "o*", "only you can be the owner of a list that you make"},
		"share with bob":           {share, "null", "oM*", "only its owner and moderators share a list"},
		"share again":              {share, gone("share:alice:food:bob"), "oM*", "only its owner and moderators share a list"},
		"take it from bob":         {gone("share:alice:food:bob"), share, "oaM*", "only the owner, moderators and the user end a share"},
		"add bob's item":           {item, "null", "a*", ""},
		"tick it off":              {ticked, item, "oamM*", "only those who have the list change its items"},
		"change its text":          {edited, item, "oaM*", ""},
		"write more into it":       {marked, item, "oaM*", ""},
		"tick it off for an hour":  {expiring, item, "", "_exp: delete it instead"},
		"delete it":                {gone("item:alice:food:1"), item, "oaM*", ""},
		"delete it once more":      {gone("item:alice:food:1"), gone("item:alice:food:1"), "oamM*", "only those who have the list change its items"},
		"appoint carol":            {carol, "null", "A*", "only admins appoint moderators"},
		"dismiss carol":            {gone("moderator:carol"), carol, "A*", "only admins appoint moderators"},
		"delete what is not there": {gone("item:alice:food:9"), "null", "oamM*", "only those who have the list change its items"},
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			f := moderatedLists(t)
			may := ""
			for _, who := range []byte(everybody) {
				trial, err := Try(context.Background(), f, Attempt{Doc: json.RawMessage(test.doc), OldDoc: json.RawMessage(test.oldDoc), User: listPeople[who]})
				require.NoError(t, err)
				if trial.Status == 0 {
					may += string(who)
					continue
				}
				require.Equal(t, 403, trial.Status, trial.Exception)
				if test.others != "" {
					require.Equal(t, test.others, trial.Exception)
				}
			}
			require.Equal(t, test.who, may)
		})
	}
}

func TestModeratedListsGiveChannelsAndRoles(t *testing.T) {
	t.Parallel()
	f := moderatedLists(t)
	for attempt, want := range map[string]string{
		`{"doc":{"_id":"list:alice:food","type":"list","owner":"alice","title":"Food"}}`:             `{"channels":["list:alice:food","moderation"],"access":{"alice":["list:alice:food"]},"roles":{},"log":[]}`,
		`{"doc":{"_id":"list:alice:food","_deleted":true},"oldDoc":{"_id":"list:alice:food"}}`:       `{"channels":["list:alice:food","moderation"],"access":{"alice":["list:alice:food"]},"roles":{},"log":[]}`,
		`{"doc":{"_id":"share:alice:food:bob","type":"share"}}`:                                      `{"channels":["list:alice:food","moderation"],"access":{"bob":["list:alice:food"]},"roles":{},"log":[]}`,
		`{"doc":{"_id":"share:alice:food:bob","_deleted":true}}`:                                     `{"channels":["list:alice:food","moderation"],"access":{},"roles":{},"log":[]}`,
		`{"doc":{"_id":"item:alice:food:1","type":"item","text":"Bread","done":false,"by":"alice"}}`: `{"channels":["list:alice:food","moderation"],"access":{},"roles":{},"log":[]}`,
		`{"doc":{"_id":"item:alice:food:1","_deleted":true},"oldDoc":{"_id":"item:alice:food:1"}}`:   `{"channels":["list:alice:food","moderation"],"access":{},"roles":{},"log":[]}`,
		`{"doc":{"_id":"moderator:carol","type":"moderator"}}`:                                       `{"channels":["moderation"],"access":{},"roles":{"carol":["role:moderator"]},"log":[]}`,
		`{"doc":{"_id":"moderator:carol","_deleted":true},"oldDoc":{"_id":"moderator:carol"}}`:       `{"channels":["moderation"],"access":{},"roles":{},"log":[]}`,
	} {
		require.Equal(t, want, try(t, f, attempt), attempt)
	}
}

func TestModeratedListsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	f := moderatedLists(t)
	for attempt, want := range map[string]string{
		`{"doc":{"_id":"note:1","type":"note"}}`:                                                                          "begin the ID with list:, share:, item: or moderator:",
		`{"doc":{"_id":"toString:1"}}`:                                                                                    "begin the ID with list:, share:, item: or moderator:",
		`{"doc":{"_id":"list:alice:food","type":"item"}}`:                                                                 `type: write "list", as in the ID`,
		`{"doc":{"_id":"list:alice","type":"list"}}`:                                                                      "write the ID as list:<owner>:<list>, in letters, digits and . _ @ % + | -",
		`{"doc":{"_id":"list:alice:a,b","type":"list"}}`:                                                                  "write the ID as list:<owner>:<list>, in letters, digits and . _ @ % + | -",
		`{"doc":{"_id":"share:alice:food:","type":"share"}}`:                                                              "write the ID as share:<owner>:<list>:<user>, in letters, digits and . _ @ % + | -",
		`{"doc":{"_id":"moderator:a:b","type":"moderator"}}`:                                                              "write the ID as moderator:<user>, in letters, digits and . _ @ % + | -",
		`{"doc":{"_id":"list:alice:food","type":"list","owner":"alice"}}`:                                                 "title: write a text of 1 to 100 characters",
		`{"doc":{"_id":"list:alice:food","type":"list","owner":"alice","title":" "}}`:                                     "title: write a text of 1 to 100 characters",
		`{"doc":{"_id":"list:alice:food","type":"list","owner":"bob","title":"Food"}}`:                                    "owner: write the name that is in the ID; it never changes",
		`{"doc":{"_id":"item:alice:food:1","type":"item","text":7,"by":"bob","done":false}}`:                              "text: write a text of 1 to 500 characters",
		`{"doc":{"_id":"item:alice:food:1","type":"item","text":"Bread","done":false}}`:                                   "by: write a text of 1 to 100 characters",
		`{"doc":{"_id":"item:alice:food:1","type":"item","text":"Bread","by":"bob","done":"yes"}}`:                        "done: write true or false",
		`{"doc":{"_id":"item:alice:food:1","type":"item","text":"Bread","by":"bob","done":true},"oldDoc":{"by":"alice"}}`: "by: it never changes",
	} {
		var a Attempt
		require.NoError(t, json.Unmarshal([]byte(attempt), &a))
		trial, err := Try(context.Background(), f, a)
		require.NoError(t, err)
		require.Equal(t, 403, trial.Status, attempt)
		require.Equal(t, want, trial.Exception, attempt)
	}
	trial, err := Try(context.Background(), f, Attempt{
		Doc:  json.RawMessage(`{"_id":"item:alice:food:1","type":"item","text":"Bread","done":false,"by":"alice"}`),
		User: listPeople['a'],
	})
	require.NoError(t, err)
	require.Equal(t, "by: write your own name", trial.Exception)
}
