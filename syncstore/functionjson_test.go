package syncstore

import (
	"bytes"
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
	f.Add("0", `{"":1E1000}`, "0", "0", true)
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
		members, want := withNumbers(t, []byte(text)), withNumbers(t, parsed.Body)
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

// withNumbers decodes an object with its numbers as they are written: they may be more than a float64 takes.
func withNumbers(t *testing.T, text []byte) (members map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&members), "%s", text)
	return members
}
