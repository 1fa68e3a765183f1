package access

import (
	"os"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// collection is a collection of a new store with a policy.
func collection(t *testing.T, policy syncstore.Evaluator) *syncstore.Collection {
	t.Helper()
	store, err := syncstore.Open(t.Context(), memory.New(), syncstore.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	db.Default().SetPolicy(syncstore.Policy{Evaluator: policy, Version: "1"})
	return db.Default()
}

func write(t *testing.T, c *syncstore.Collection, user, id, body string, history ...string) error {
	t.Helper()
	edit := syncstore.Edit{ID: id, Body: []byte(body)}
	for _, text := range history {
		rev, err := syncstore.ParseRev(text)
		require.NoError(t, err)
		edit.History = append(edit.History, rev)
	}
	return c.Write(t.Context(), []syncstore.Edit{edit}, syncstore.WriteOptions{Viewer: &syncstore.Viewer{Name: user}})[0].Err
}

func sees(t *testing.T, c *syncstore.Collection, user, id string) bool {
	t.Helper()
	_, err := c.Get(t.Context(), id, syncstore.GetOptions{Viewer: &syncstore.Viewer{Name: user}})
	if err != nil {
		require.ErrorIs(t, err, syncstore.ErrNotFound)
	}
	return err == nil
}

func TestSharedListInAStore(t *testing.T) {
	t.Parallel()
	f, err := NewSyncFunction("lists.sync.js", `function (doc, oldDoc) {
		if (oldDoc) requireUser(oldDoc.owner); else requireUser(doc.owner)
		channel("list:" + doc._id)
		access([doc.owner].concat(doc.members), "list:" + doc._id)
	}`, Options{})
	require.NoError(t, err)
	c := collection(t, f)
	require.NoError(t, write(t, c, "alice", "l", `{"owner":"alice","members":["bob"]}`, "1-a"))
	require.True(t, sees(t, c, "alice", "l"))
	require.True(t, sees(t, c, "bob", "l"))
	require.False(t, sees(t, c, "carol", "l"))

	var rejection *RejectionError
	require.ErrorAs(t, write(t, c, "bob", "l", `{"owner":"bob","members":[]}`, "2-b", "1-a"), &rejection)
	require.Equal(t, "sg wrong user", rejection.Reason)
	// DECISIONS 25: nor by a revision that seems to have other ancestors.
	require.ErrorAs(t, write(t, c, "bob", "l", `{"owner":"bob","members":[]}`, "99-b"), &rejection)
	require.True(t, sees(t, c, "alice", "l"))

	require.NoError(t, write(t, c, "alice", "l", `{"owner":"alice","members":["carol"]}`, "2-b", "1-a"))
	require.False(t, sees(t, c, "bob", "l"))
	require.True(t, sees(t, c, "carol", "l"))
}

func TestPrivateDocumentsInAStore(t *testing.T) {
	t.Parallel()
	c := collection(t, Private{})
	require.NoError(t, write(t, c, "alice", "d", `{}`, "1-a"))
	require.True(t, sees(t, c, "alice", "d"))
	require.False(t, sees(t, c, "bob", "d"))
	require.False(t, sees(t, c, "", "d"))
	require.ErrorIs(t, write(t, c, "bob", "d", `{}`, "2-b", "1-a"), syncstore.ErrRejected)
	require.ErrorIs(t, write(t, c, "bob", "d", `{}`, "9-b"), syncstore.ErrRejected)
	require.ErrorIs(t, write(t, c, "", "e", `{}`, "1-a"), syncstore.ErrRejected)
	require.NoError(t, write(t, c, "alice", "d", `{"a":1}`, "2-a", "1-a"))
	require.NoError(t, write(t, c, "bob", "e", `{}`, "1-a"))
	require.False(t, sees(t, c, "alice", "e"))
}

// What a device made offline comes in one request, in the order in which it changed last there.
func TestAListAndItsItemsMayComeTogether(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../examples/quickstart/lists.sync.js")
	require.NoError(t, err)
	f, err := NewSyncFunction("lists.sync.js", string(source), Options{})
	require.NoError(t, err)
	c := collection(t, f)
	edits := []syncstore.Edit{
		{ID: "item:milk", Body: []byte(`{"type":"item","list":"list:a"}`)},
		{ID: "list:a", Body: []byte(`{"type":"list","owner":"alice","members":["bob"]}`)},
		{ID: "item:bread", Body: []byte(`{"type":"item","list":"list:a"}`)},
		{ID: "item:other", Body: []byte(`{"type":"item","list":"list:b"}`)},
		{ID: "list:b", Body: []byte(`{"type":"list","owner":"bob","members":["alice"]}`)},
	}
	results := c.Write(t.Context(), edits, syncstore.WriteOptions{Viewer: &syncstore.Viewer{Name: "alice"}})
	for i, result := range results {
		if i < 3 {
			require.NoError(t, result.Err, result.ID)
			require.True(t, sees(t, c, "bob", result.ID))
			require.False(t, sees(t, c, "carol", result.ID))
		} else {
			require.ErrorIs(t, result.Err, syncstore.ErrRejected, result.ID)
		}
	}
}

// A function is not asked about the deletion that comes of _exp. So it sees what the writer wants: who may change a
// document and not delete it could do so otherwise.
func TestAFunctionSeesWhenTheWriterWantsTheDocumentToEnd(t *testing.T) {
	t.Parallel()
	f, err := NewSyncFunction("f.js", `function (doc, oldDoc) {
		if (doc._deleted) requireUser("alice")
		if (doc._exp) throw({forbidden: doc._exp})
		if (oldDoc && oldDoc._exp) throw({forbidden: "of before"})
		if (doc._id == "e") expiry("2090-01-01T00:00:00Z")
	}`, Options{})
	require.NoError(t, err)
	c := collection(t, f)
	require.NoError(t, write(t, c, "alice", "d", `{}`, "1-a"))
	ends := syncstore.Edit{ID: "d", Body: []byte(`{}`), Expires: time.Date(2099, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))}
	ends.Parent, err = syncstore.ParseRev("1-a")
	require.NoError(t, err)
	var rejection *RejectionError
	require.ErrorAs(t, c.Write(t.Context(), []syncstore.Edit{ends}, syncstore.WriteOptions{Viewer: &syncstore.Viewer{Name: "bob"}})[0].Err, &rejection)
	require.Equal(t, "2099-01-02T02:04:05Z", rejection.Reason)
	require.NoError(t, write(t, c, "bob", "d", `{}`, "2-b", "1-a"))

	// What the function itself said before is no wish of the writer's: an attachment that is put keeps it.
	require.NoError(t, write(t, c, "alice", "e", `{}`, "1-a"))
	stored, err := c.Get(t.Context(), "e", syncstore.GetOptions{})
	require.NoError(t, err)
	require.False(t, stored.Expires.IsZero())
	kept := syncstore.Edit{ID: "e", Body: []byte(`{"a":1}`), Parent: stored.Rev, Expires: stored.Expires}
	require.NoError(t, c.Write(t.Context(), []syncstore.Edit{kept}, syncstore.WriteOptions{Viewer: &syncstore.Viewer{Name: "bob"}})[0].Err)
}
