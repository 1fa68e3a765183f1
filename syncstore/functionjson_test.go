package syncstore

import (
	"encoding/json"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"github.com/stretchr/testify/require"
)

// FuzzFunctionJSON checks that whatever a client may store gives a sync function one JSON
// object that says the same.
func FuzzFunctionJSON(f *testing.F) {
	f.Add("id", `{"a":1}`, "name", "text/plain", true)
	f.Add(`"`, "{ }", `a"b`, "\n", false)
	f.Add("\\", `{"_x":1,"b":[{}]}`, "", "", true)
	f.Fuzz(func(t *testing.T, id, body, name, contentType string, attachment bool) {
		parsed, err := jsondoc.Parse([]byte(body))
		if err != nil || CheckID(id) != nil {
			return
		}
		doc := &Document{ID: id, Rev: Rev{Gen: 1, Digest: "a"}, Body: parsed.Body, Deleted: attachment}
		if attachment {
			doc.Attachments = []Attachment{{Name: name, ContentType: contentType}, {Name: name + "2"}}
		}
		text := doc.FunctionJSON()
		var members, want map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &members), text)
		require.NoError(t, json.Unmarshal(parsed.Body, &want))
		require.Equal(t, id, members["_id"])
		require.Equal(t, "1-a", members["_rev"])
		for name, value := range want {
			require.Equal(t, value, members[name])
		}
		extra := 2
		if attachment {
			extra = 4
		}
		require.Len(t, members, len(want)+extra)
		require.NoError(t, jsondoc.Check([]byte(text)))
	})
}
