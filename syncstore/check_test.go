package syncstore

import (
	"context"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// checked closes the store and checks what it left.
func (f *fixture) checked() CheckReport {
	f.t.Helper()
	require.NoError(f.t, f.store.Close())
	report, err := Check(context.Background(), f.engine, CheckOptions{})
	require.NoError(f.t, err)
	return report
}

func TestASoundStoreIsFoundSound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	fillFixture(f)
	report := f.checked()
	require.Empty(t, report.Findings)
	require.Len(t, report.Databases, 1)
	require.Equal(t, CheckedDatabase{Name: "db", Docs: 6, Tombstones: 1, Contents: 1, ContentBytes: 16000}, report.Databases[0])
	require.Equal(t, uint64(len(contents(t, f.engine))), report.Keys)
}

// TestDamageIsFound damages one thing after the other.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	flip := func(tx engine.Txn, key []byte, at int) error {
		value, err := tx.Get(key)
		if err != nil {
			return err
		}
		value[(at+len(value))%len(value)] ^= 0xff
		return tx.Put(key, value)
	}
	first := func(tx engine.Txn, prefix []byte) (key []byte) {
		pairs, _ := tx.Scan(engine.PrefixRange(prefix))
		for found := range pairs {
			return append([]byte(nil), found...)
		}
		return nil
	}
	for name, c := range map[string]struct {
		damage func(f *fixture, tx engine.Txn) error
		want   []string
		lost   uint64 // documents that are told to be damaged
	}{
		"a head that is cut short": {func(f *fixture, tx engine.Txn) error {
			return tx.Put(f.scope.head("plain"), []byte{headFormat, 0})
		}, []string{
			`database db, document "plain": damaged record of a document: reading a head: damaged record: cut short`,
			`database db, document "plain": it is in the feed only`,
		}, 1},
		"a head that is gone": {func(f *fixture, tx engine.Txn) error { return tx.Delete(f.scope.head("edited")) }, []string{
			`database db, document "edited": only its ancestry is there`, `database db, document "edited": it is in the feed only`,
		}, 1},
		"an ancestry that is gone": {func(f *fixture, tx engine.Txn) error { return tx.Delete(f.scope.tree("conflict")) },
			[]string{`database db, document "conflict": its ancestry is missing`}, 1},
		"an ancestry of another document": {func(f *fixture, tx engine.Txn) error {
			other, err := tx.Get(f.scope.tree("edited"))
			if err != nil {
				return err
			}
			return tx.Put(f.scope.tree("conflict"), other)
		}, []string{
			`database db, document "conflict": its ancestry does not end in revision 2-c`,
			`database db, document "conflict": its ancestry does not end in revision 2-b`,
		}, 1},
		"a conflict's body that is gone": {func(f *fixture, tx engine.Txn) error {
			return tx.Delete(f.scope.body("conflict", Rev{Gen: 2, Digest: "b"}))
		}, []string{`database db, document "conflict": the body of the conflicting revision 2-b is missing`}, 1},
		"a row of the feed that is gone": {func(f *fixture, tx engine.Txn) error { return tx.Delete(f.scope.seq(1)) },
			[]string{`database db, document "plain": it is missing in the feed`}, 1},
		"a row of the feed too many": {func(f *fixture, tx engine.Txn) error {
			row, err := tx.Get(f.scope.seq(1))
			if err != nil {
				return err
			}
			return tx.Put(f.scope.seq(2), row)
		}, []string{`database db, document "plain": it is in the feed at 2, but was changed last at 1`}, 1},
		"a row of a channel that is gone": {func(f *fixture, tx engine.Txn) error {
			return tx.Delete(first(tx, appendTerminated(f.scope.prefix(kindChannel, 8), "blue")))
		}, []string{`database db, document "red": it is missing in the feed of channel "blue"`}, 1},
		"content that was altered": {func(f *fixture, tx engine.Txn) error { return flip(tx, first(tx, f.scope.prefix(kindChunk, 0)), 100) },
			[]string{`, document "attached": the content of an attachment, `, ` is damaged: it is not what was stored`}, 1},
		"content that is cut short": {func(f *fixture, tx engine.Txn) error { return tx.Delete(first(tx, f.scope.prefix(kindChunk, 0))) },
			[]string{`, document "attached": the content of an attachment, `, ` is damaged: part 0: key not found`}, 1},
		"content that is gone": {func(f *fixture, tx engine.Txn) error { return tx.Delete(first(tx, f.scope.prefix(kindContent, 0))) },
			[]string{`document "attached": the content of attachment "x.txt" is missing`}, 1},
		"a reference that is gone": {func(f *fixture, tx engine.Txn) error { return tx.Delete(first(tx, f.scope.prefix(kindReference, 0))) },
			[]string{`document "attached": attachment "x.txt" is not protected from being collected`}, 1},
		"counters of another time": {func(f *fixture, tx engine.Txn) error {
			counts := *f.db.counters.Load()
			counts.Docs = 99
			return tx.Put(f.scope.counters(), counts.encode())
		}, []string{`database db: it counts 99 documents and 1 tombstones, and has 6 and 1`}, 0},
		"a sequence from the future": {func(f *fixture, tx engine.Txn) error {
			counts := *f.db.counters.Load()
			counts.Seq = 2
			return tx.Put(f.scope.counters(), counts.encode())
		}, []string{`is none that the database gave out`}, 6},
		"counters that are gone": {func(f *fixture, tx engine.Txn) error { return tx.Delete(f.scope.counters()) },
			[]string{`database db: its counters: no such database`}, 7},
		"a local document": {func(f *fixture, tx engine.Txn) error { return tx.Put(f.scope.local("alice", "checkpoint"), []byte{9}) },
			[]string{`database db: a local document: damaged record: local document format 9`}, 0},
		"a key of no database": {func(_ *fixture, tx engine.Txn) error { return tx.Put(scope{db: 9}.head("x"), []byte("x")) },
			[]string{`a key of kind 0x11 belongs to no database`}, 0},
		"a key of no kind": {func(f *fixture, tx engine.Txn) error { return tx.Put(f.scope.prefix(0x7f, 0), nil) },
			[]string{`database db: a key of kind 0x7f: there is no such kind`}, 0},
		"the directory": {func(f *fixture, tx engine.Txn) error { return tx.Put(databaseKey(f.scope.db), []byte{0, 200}) },
			[]string{`the directory of databases: damaged record: cut short`, `belongs to no database`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
			fillFixture(f)
			require.NoError(t, f.store.Close())
			require.NoError(t, f.engine.Update(t.Context(), func(tx engine.Txn) error { return c.damage(f, tx) }))
			report := f.checked()
			require.NotZero(t, report.Found)
			text := ""
			for _, finding := range report.Findings {
				text += finding.String() + "\n"
			}
			for _, want := range c.want {
				require.Contains(t, text, want)
			}
			if c.lost > 0 {
				require.Equal(t, c.lost, report.Databases[0].Damaged, text)
			}
		})
	}
}

func TestWhatIsBeingDeletedIsNotChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	require.NoError(t, f.store.Close())
	entry := databaseEntry{id: f.scope.db, name: "db", deleting: true}
	putRaw(t, f.engine, databaseKey(entry.id), entry.encode())
	require.NoError(t, f.engine.Update(t.Context(), func(tx engine.Txn) error { return tx.Delete(f.scope.seq(1)) }))
	require.Empty(t, f.checked().Findings)
}

func TestARestoredStoreIsSound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	fillFixture(f)
	file, _ := f.backedUp("")
	restored := memory.New()
	_, err := Restore(t.Context(), restored, sources(file), RestoreOptions{})
	require.NoError(t, err)
	report, err := Check(t.Context(), restored, CheckOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}
