package lite

import (
	"encoding/json"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// What is stored is what somebody wrote, and nothing may be written with white space in it.
func TestABodyWithoutMembersIsStillJSONWithItsAttachments(t *testing.T) {
	t.Parallel()
	attachments := []syncstore.Attachment{{Name: "a"}}
	for _, doc := range []syncstore.Document{
		{Body: []byte("{ }"), Attachments: attachments}, {Body: []byte("{}"), Attachments: attachments},
		{Body: []byte("{ }"), Extra: []byte(`{"_x":1}`)}, {Body: []byte("{\n\"b\" : 1 }"), Extra: []byte(`{"_x":1}`), Attachments: attachments},
	} {
		body := revBody(&doc)
		require.True(t, json.Valid(body), "%s", body)
	}
}

func TestACheckpointWithoutMembersIsStillJSONInACollectionsAnswer(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	c.must("setCheckpoint", `{ }`, "client", "a", "rev", "")
	body := c.must("getCollections", `{"checkpoint_ids":["a"],"collections":["_default"]}`).Body
	require.Equal(t, `[{"rev":"0-1"}]`, string(body))
}
