package syncstore

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

var writeFixture = flag.Bool("write-fixture", false, "write the fixture of the store's present format anew")

// fixturePath is a backup of a store that a release wrote. Those that are there stay for ever.
func fixturePath(format int) string {
	return filepath.Join("testdata", "stores", fmt.Sprintf("format-%d.backup", format))
}

// fillFixture writes one of everything that is kept of documents.
func fillFixture(f *fixture) {
	f.write(Edit{ID: "plain", Body: []byte(`{"n":1}`)})
	first := f.put("edited", `{"n":1}`, Rev{})
	f.put("edited", `{"n":2,"text":"zwölf Boxkämpfer"}`, first)
	f.pushed("conflict", `{"from":"b"}`, "2-b", "1-a")
	f.pushed("conflict", `{"from":"c"}`, "2-c", "1-a")
	f.remove("gone", f.put("gone", `{}`, Rev{}))
	content := f.upload(bytes.Repeat([]byte("content "), 2000))
	require.NoError(f.t, f.write(Edit{ID: "attached", Attachments: []AttachmentEdit{{Name: "x.txt", ContentType: "text/plain", Content: content}}}).Err)
	_, err := f.PutLocal(f.t.Context(), "alice", "checkpoint", "", []byte(`{"last_seq":3}`))
	require.NoError(f.t, err)
	f.give("alice", "red")
	f.in("red", Rev{}, "red", "blue")
	other, err := f.db.OpenCollection(f.t.Context(), "shop", "orders")
	require.NoError(f.t, err)
	require.NoError(f.t, other.Write(f.t.Context(), []Edit{{ID: "order", Body: []byte(`{"total":7}`)}}, WriteOptions{})[0].Err)
}

func TestFixtureOfThePresentFormatIsThere(t *testing.T) {
	t.Parallel()
	if !*writeFixture {
		require.FileExists(t, fixturePath(storeFormat), "go test -run FixtureOfThePresent ./syncstore -write-fixture")
		return
	}
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	fillFixture(f)
	file, _ := f.backedUp("")
	require.NoError(t, os.WriteFile(fixturePath(storeFormat), file, 0o600))
}

func TestAStoreOfEveryReleasedFormatOpens(t *testing.T) {
	t.Parallel()
	for format := 1; format <= storeFormat; format++ {
		file, err := os.Open(fixturePath(format))
		require.NoError(t, err)
		defer file.Close()
		f := &fixture{t: t, engine: memory.New(), clock: &fakeClock{}}
		_, err = loadBackups(t.Context(), f.engine, []BackupSource{{Name: "fixture", Reader: file}}, RestoreOptions{})
		require.NoError(t, err)
		f.open()
		db, err := f.store.Database("db")
		require.NoError(t, err)
		f.Collection = db.Default()
		f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})

		require.Equal(t, `{"n":1}`, string(f.get("plain", GetOptions{}).Body))
		edited := f.get("edited", GetOptions{History: true})
		require.Equal(t, `{"n":2,"text":"zwölf Boxkämpfer"}`, string(edited.Body))
		require.Len(t, edited.History, 2)
		require.Equal(t, []string{"2-c", "2-b"}, f.leaves("conflict"))
		_, err = f.Get(t.Context(), "gone", GetOptions{})
		require.ErrorIs(t, err, ErrDeleted)
		attached := f.get("attached", GetOptions{}).Attachments
		require.Len(t, attached, 1)
		require.Equal(t, bytes.Repeat([]byte("content "), 2000), f.content(attached[0].Content))
		local, err := f.GetLocal(t.Context(), "alice", "checkpoint")
		require.NoError(t, err)
		require.Equal(t, `{"last_seq":3}`, string(local.Body))
		require.NoError(t, f.read1("alice", "red"))
		require.ErrorIs(t, f.read1("bob", "red"), ErrNotFound)
		other, ok := f.db.Collection("shop", "orders")
		require.True(t, ok)
		order, err := other.Get(t.Context(), "order", GetOptions{})
		require.NoError(t, err)
		require.Equal(t, `{"total":7}`, string(order.Body))

		f.put("edited", `{"n":3}`, edited.Rev)
	}
}
