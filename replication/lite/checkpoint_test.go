package lite

import (
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// Rows 12, 13 and 16 of reference/blip.md 8.1.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	const id = "cp-a/b+c="
	require.Equal(t, "missing", c.refused(404, "getCheckpoint", "", "client", id))
	// LiteCore always writes the property rev, empty for a new checkpoint.
	set := c.must("setCheckpoint", `{"time":1,"local":5}`, "client", id, "rev", "")
	require.Equal(t, "0-1", set.Properties.Value("rev"))
	got := c.must("getCheckpoint", "", "client", id)
	require.Equal(t, "0-1", got.Properties.Value("rev"))
	require.JSONEq(t, `{"time":1,"local":5}`, string(got.Body))
	require.Equal(t, "0-2", c.must("setCheckpoint", `{"remote":"12:3"}`, "client", id, "rev", "0-1").Properties.Value("rev"))
	for _, stale := range []string{"", "0-1", "0-3", "no"} {
		require.Equal(t, "Document update conflict", c.refused(409, "setCheckpoint", `{}`, "client", id, "rev", stale))
	}
	c.refused(409, "setCheckpoint", `{}`, "client", "another", "rev", "0-7") // by 404 the checkpoint would be lost
	c.refused(400, "setCheckpoint", `{}`)
	c.refused(400, "getCheckpoint", "")
	c.refused(400, "setCheckpoint", `[1`, "client", id, "rev", "0-2")
	require.Equal(t, `{"remote":"12:3"}`, string(c.must("getCheckpoint", "", "client", id).Body))
	c.close()
}

// Two users who share a device, and with it the checkpoint's name, do not share checkpoints.
func TestCheckpointsBelongToWhoWroteThem(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "alice"} })
	alice := l.connect(protocol3)
	alice.must("setCheckpoint", `{"local":5}`, "client", "cp-x", "rev", "")
	l.setPeer(func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "bob"} })
	bob := l.connect(protocol3)
	bob.refused(404, "getCheckpoint", "", "client", "cp-x")
	require.JSONEq(t, `[{}]`, string(bob.must("getCollections", `{"checkpoint_ids":["cp-x"],"collections":["_default"]}`).Body))
	alice.close()
	bob.close()
}

// Row 14.
func TestGetCollections(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	for _, name := range []string{"orders", "app.items"} {
		scope, collection, ok := splitCollection(name)
		require.True(t, ok)
		_, err := l.db.OpenCollection(l.ctx, scope, collection)
		require.NoError(t, err)
	}
	c := l.connect(protocol4)
	got := c.must("getCollections", `{"checkpoint_ids":["a","b","c","d"],"collections":["_default","orders","app.items","app.none"]}`, "uuid", "u")
	require.Equal(t, `[{},{},{},null]`, string(got.Body))
	require.Equal(t, "application/json", got.Properties.Value("Content-Type"))
	// Checkpoints are of a collection.
	c.must("setCheckpoint", `{"local":1}`, "client", "b", "rev", "", "collection", "1")
	c.refused(404, "getCheckpoint", "", "client", "b", "collection", "0")
	c.refused(404, "getCheckpoint", "", "client", "b", "collection", "2")
	c.must("setCheckpoint", `{}`, "client", "c", "rev", "", "collection", "2")
	again := c.must("getCollections", `{"checkpoint_ids":["b","c"],"collections":["_default.orders","app.items"]}`)
	require.Equal(t, `[{"rev":"0-1","local":1},{"rev":"0-1"}]`, string(again.Body))
	c.close()
}

// Rows 14, 15 and 17: what is malformed is answered, and ends nothing.
func TestCollectionsThatCannotBe(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	for _, body := range []string{
		`{"checkpoint_ids":["a"],"collections":[]}`, `{"checkpoint_ids":[],"collections":[]}`, `{"checkpoint_ids":["a"],"collections":["b","c"]}`,
		`{"checkpoint_ids":["a"],"collections":[""]}`, `{"checkpoint_ids":["a"],"collections":["."]}`, `{"checkpoint_ids":["a"],"collections":["a."]}`,
		`{"checkpoint_ids":["a"],"collections":[".b"]}`, `{"checkpoint_ids":["a"],"collections":["a.b.c"]}`, `{"checkpoint_ids":["a"],"collections":[1]}`,
		`{"checkpoint_ids":{},"collections":["b"]}`, `[]`, `{`, ``,
		`{"checkpoint_ids":["a","b"],"collections":["_default","_default._default"]}`, // each would have feeds of its own
	} {
		c.refused(400, "getCollections", body)
	}
	c.refused(400, "getCheckpoint", "", "client", "a", "collection", "0") // before getCollections
	c.refused(404, "getCheckpoint", "", "client", "a")
	require.Equal(t, `[null,{}]`, string(c.must("getCollections", `{"checkpoint_ids":["a","b"],"collections":["none","_default"]}`).Body))
	for _, index := range []string{"0", "2", "-1", "x", "", "1.0", "99999999999999999999"} {
		c.refused(400, "getCheckpoint", "", "client", "a", "collection", index)
	}
	c.refused(400, "getCheckpoint", "", "client", "a")
	c.refused(404, "getCheckpoint", "", "client", "a", "collection", "1")
	c.close()
}

// Row 15: a database whose default collection the peer may not know.
func TestNoDefaultCollection(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) {
		p.Collection = func(string, string) (*syncstore.Collection, bool) { return nil, false }
	})
	c := l.connect(protocol3)
	c.refused(400, "getCheckpoint", "", "client", "a")
	require.Equal(t, `[null]`, string(c.must("getCollections", `{"checkpoint_ids":["a"],"collections":["_default"]}`).Body))
	c.close()
}

// Row 10.
func TestPingAndUnknownProfiles(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	require.Empty(t, c.must("PING", "").Properties)
	_, err := c.call("toast", "")
	var refusal *blip.PeerError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, blip.PeerError{Domain: "BLIP", Code: 404, Text: "No handler for BLIP request"}, *refusal)
	for _, profile := range []string{"PING", "toast"} {
		require.NoError(t, c.conn.Send(c.ctx, message(profile, "")))
	}
	require.Empty(t, c.must("PING", "").Body, "what wanted no answer got none, and ended nothing")
	c.close()
}

// A guest has no name, and an administrator's local documents have no owner: they are not the same.
func TestGuestsDoNotShareTheCheckpointsOfAdministrators(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	admin := l.connect(protocol3)
	admin.must("setCheckpoint", `{"remote":7}`, "client", "cp-x", "rev", "")
	l.setPeer(func(p *Peer) { p.Viewer = &syncstore.Viewer{} })
	guest := l.connect(protocol3)
	guest.refused(404, "getCheckpoint", "", "client", "cp-x")
	require.Equal(t, `[{}]`, string(guest.must("getCollections", `{"checkpoint_ids":["cp-x"],"collections":["_default"]}`).Body))
	guest.must("setCheckpoint", `{"remote":1}`, "client", "cp-x", "rev", "", "collection", "0")
	require.Equal(t, `{"remote":7}`, string(admin.must("getCheckpoint", "", "client", "cp-x").Body))
}

// A client that may not push some of its documents lists many ranges of those that it did push.
func TestALongCheckpointIsKept(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	long := `{"localCompleted":[0` + strings.Repeat(",1234567", 50_000) + `]}`
	c.must("setCheckpoint", long, "client", "a", "rev", "")
	require.Equal(t, long, string(c.must("getCheckpoint", "", "client", "a").Body))
	c.close()
}

// A connection takes a document as large as the database does, whatever room its buffer grows to.
func TestLimitsHaveRoomForTheLargestDocument(t *testing.T) {
	t.Parallel()
	for _, document := range []int64{1 << 10, 20 << 20, 32 << 20} {
		r := &replication{peer: Peer{MaxDocument: document}}
		limits := r.limits()
		require.GreaterOrEqual(t, int64(limits.Message(profileRev)), document*4/3)
		require.GreaterOrEqual(t, limits.Buffered, limits.Message(profileRev)*3/2)
	}
}

// A client stops for good where the connection ends because of what it sent. Without a checkpoint it goes on.
func TestWhatIsTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	checkpoint := `{"localCompleted":[` + strings.Repeat("1,", maxCheckpoint/2) + `1]}`
	require.Equal(t, "too large", c.refused(413, "setCheckpoint", checkpoint, "client", "cp-1"))
	require.Equal(t, "too large", c.refused(413, "subChanges", `{"docIDs":["`+strings.Repeat("x", maxList)+`"]}`))
	c.must("setCheckpoint", `{"local":1}`, "client", "cp-1")
}
