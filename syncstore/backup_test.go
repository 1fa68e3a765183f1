package syncstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// backedUp makes a backup of the fixture's store.
func (f *fixture) backedUp(since string) (file []byte, next string) {
	f.t.Helper()
	var out bytes.Buffer
	_, err := f.store.Backup(f.t.Context(), &out, BackupOptions{Since: since, Begin: func(h BackupHeader) { next = h.Next }})
	require.NoError(f.t, err)
	require.NotEmpty(f.t, next)
	return out.Bytes(), next
}

func sources(files ...[]byte) (list []BackupSource) {
	for i, file := range files {
		list = append(list, BackupSource{Name: fmt.Sprint("backup ", i), Reader: bytes.NewReader(file)})
	}
	return list
}

// contents are all pairs of an engine.
func contents(t require.TestingT, e engine.Engine) map[string]string {
	all := make(map[string]string)
	require.NoError(t, e.View(context.Background(), func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.Range{})
		for key, value := range pairs {
			all[string(key)] = string(value)
		}
		return failed()
	}))
	return all
}

func TestABackupIsTheStoreAsItWas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{"n":1}`, Rev{})
	f.pushed("b", `{"n":1}`, "3-c", "2-b", "1-a")
	content := f.upload(randomBytes(3*chunkSize + 5))
	require.NoError(t, f.write(Edit{ID: "c", Attachments: []AttachmentEdit{{Name: "x", Content: content}}}).Err)
	whole, next := f.backedUp("")
	want := contents(t, f.engine)

	restored := memory.New()
	_, err := loadBackups(t.Context(), restored, sources(whole), RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, want, contents(t, restored))

	f.put("a", `{"n":2}`, first)
	f.put("d", `{}`, Rev{})
	_, err = f.Purge(t.Context(), []Purging{{ID: "b"}})
	require.NoError(t, err)
	later, last := f.backedUp(next)
	require.Less(t, len(later), len(whole)/100, "the attachment is not in it again")
	want = contents(t, f.engine)
	nothing, _ := f.backedUp(last)

	restored = memory.New()
	report, err := loadBackups(t.Context(), restored, sources(whole, later), RestoreOptions{})
	require.NoError(t, err)
	require.Len(t, report.Backups, 2)
	require.Equal(t, want, contents(t, restored))
	restored = memory.New()
	_, err = loadBackups(t.Context(), restored, sources(whole, later, nothing), RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, contents(t, f.engine), contents(t, restored))
}

// TestAnyChainOfBackupsIsTheStoreAsItWas writes and deletes at random and goes on from a backup
// chosen at random.
func TestAnyChainOfBackupsIsTheStoreAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		e := memory.New()
		require.NoError(rt, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put(formatKey(), []byte{storeFormat}) }))
		type chain struct {
			files [][]byte
			next  string
		}
		chains := []chain{{}}
		for range rapid.IntRange(1, 8).Draw(rt, "backups") {
			for range rapid.IntRange(0, 20).Draw(rt, "writes") {
				key := fmt.Sprint("key", rapid.IntRange(0, 30).Draw(rt, "key"))
				require.NoError(rt, e.Update(t.Context(), func(tx engine.Txn) error {
					if rapid.Bool().Draw(rt, "delete") {
						return tx.Delete([]byte(key))
					}
					return tx.Put([]byte(key), []byte(strings.Repeat(key, rapid.IntRange(0, 9).Draw(rt, "length"))))
				}))
			}
			base := chains[rapid.IntRange(0, len(chains)-1).Draw(rt, "base")]
			var out bytes.Buffer
			var next string
			_, err := BackupEngine(t.Context(), e, &out, BackupOptions{Since: base.next, Begin: func(h BackupHeader) { next = h.Next }})
			require.NoError(rt, err)
			files := append(append([][]byte{}, base.files...), out.Bytes())
			chains = append(chains, chain{files, next})
			restored := memory.New()
			_, err = loadBackups(t.Context(), restored, sources(files...), RestoreOptions{})
			require.NoError(rt, err)
			require.Equal(rt, contents(rt, e), contents(rt, restored))
		}
	})
}

// keyCountingViews notes how many keys are read in one view at most.
type keyCountingViews struct {
	engine.Engine
	most int
}

func (c *keyCountingViews) View(ctx context.Context, fn func(engine.Reader) error) error {
	return c.Engine.View(ctx, func(r engine.Reader) error {
		counted := &keyCountingReader{Reader: r}
		defer func() { c.most = max(c.most, counted.keys) }()
		return fn(counted)
	})
}

type keyCountingReader struct {
	engine.Reader
	keys int
}

func (c *keyCountingReader) Scan(in engine.Range) (iter.Seq2[[]byte, []byte], func() error) {
	pairs, failed := c.Reader.Scan(in)
	return func(yield func([]byte, []byte) bool) {
		for key, value := range pairs {
			if c.keys++; !yield(key, value) {
				return
			}
		}
	}, failed
}

// TestWhatWasDeletedBetweenBackupsIsNotRememberedAllAtOnce restores a backup that a database is missing in.
func TestWhatWasDeletedBetweenBackupsIsNotRememberedAllAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	edits := make([]Edit, restoreKeys+restoreKeys/4) // each has a head and a row
	for n := range edits {
		edits[n].ID = fmt.Sprint(n)
	}
	for _, result := range other.Default().Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	f.put("a", `{}`, Rev{})
	whole, next := f.backedUp("")
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "other"))
	require.Eventually(t, func() bool {
		_, there := contents(t, f.engine)[string(databaseKey(other.scope.db))]
		return !there // the entry goes last
	}, waitFor, tick)
	later, _ := f.backedUp(next)

	restored := &keyCountingViews{Engine: memory.New()}
	_, err = loadBackups(t.Context(), restored, sources(whole, later), RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, contents(t, f.engine), contents(t, restored.Engine))
	require.LessOrEqual(t, restored.most, restoreKeys+100)
}

func TestABackupThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{"n":1}`, Rev{})
	file, _ := f.backedUp("")
	header, end, err := VerifyBackup(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, storeFormat, header.StoreFormat)
	require.Equal(t, uint64(len(contents(t, f.engine))), end.Keys)
	for n := range file {
		_, _, err := VerifyBackup(bytes.NewReader(file[:n]))
		require.ErrorIs(t, err, ErrBadBackup, "cut to %d of %d bytes", n, len(file))
		altered := bytes.Clone(file)
		altered[n] ^= 0x20
		_, _, err = VerifyBackup(bytes.NewReader(altered))
		require.ErrorIs(t, err, ErrBadBackup, "byte %d of %d", n, len(file))
	}
	_, _, err = VerifyBackup(bytes.NewReader(append(bytes.Clone(file), '\n')))
	require.ErrorIs(t, err, ErrBadBackup)

	var newer bytes.Buffer
	w, err := newBackupWriter(&newer, BackupHeader{Format: backupFormat, StoreFormat: storeFormat + 1})
	require.NoError(t, err)
	require.NoError(t, w.close())
	_, err = Restore(t.Context(), memory.New(), sources(newer.Bytes()), RestoreOptions{})
	require.ErrorIs(t, err, ErrNewerFormat)
}

func TestBackupsAreRestoredInTheirOrderOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	whole, next := f.backedUp("")
	f.put("a", `{}`, Rev{})
	second, afterSecond := f.backedUp(next)
	f.put("b", `{}`, Rev{})
	third, _ := f.backedUp(afterSecond)
	for name, files := range map[string][][]byte{
		"one is left out":             {whole, third},
		"the first is left out":       {second, third},
		"one twice":                   {whole, second, second},
		"a whole one after the first": {whole, whole},
	} {
		_, err := Restore(t.Context(), memory.New(), sources(files...), RestoreOptions{})
		require.ErrorIs(t, err, ErrBackupChain, name)
	}
	_, err := Restore(t.Context(), f.engine, sources(whole), RestoreOptions{})
	require.ErrorIs(t, err, ErrNotEmpty)

	for _, since := range []string{"none", strings.Repeat("0", 32), strings.Repeat("z", 32)} {
		_, err := f.store.Backup(t.Context(), io.Discard, BackupOptions{Since: since})
		require.ErrorIs(t, err, ErrUnknownBackup, since)
	}
	restored := memory.New()
	_, err = Restore(t.Context(), restored, sources(whole), RestoreOptions{})
	require.NoError(t, err)
	_, err = BackupEngine(t.Context(), restored, io.Discard, BackupOptions{Since: next})
	require.ErrorIs(t, err, ErrUnknownBackup, "a restored store is another one")
}

func TestAStoreKnowsItsLastBackupsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, first := f.backedUp("")
	f.clock.advance(1)
	_, second := f.backedUp("")
	for range keptBackups - 1 {
		f.clock.advance(1)
		f.backedUp("")
	}
	_, err := f.store.Backup(t.Context(), io.Discard, BackupOptions{Since: first})
	require.ErrorIs(t, err, ErrUnknownBackup)
	f.backedUp(second)
}

func TestAStoreThatTakesNoWritesCanBeBackedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	f.engine.FailNext(engine.ErrNoSpace)
	var out bytes.Buffer
	_, err := f.store.Backup(t.Context(), &out, BackupOptions{})
	require.NoError(t, err)
	header, _, err := VerifyBackup(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	require.Empty(t, header.Next, "no other one can go on from it")
	restored := memory.New()
	_, err = loadBackups(t.Context(), restored, sources(out.Bytes()), RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, contents(t, f.engine), contents(t, restored))
}

// stuckWriter takes nothing until it is interrupted.
type stuckWriter struct {
	stuck chan struct{}
	over  chan struct{}
}

func (w *stuckWriter) Write([]byte) (int, error) {
	close(w.stuck)
	<-w.over
	return 0, io.ErrClosedPipe
}

func TestABackupEndsWhenTheStoreMust(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*fixture, context.CancelFunc){
		"recovery": func(f *fixture, _ context.CancelFunc) {
			f.engine.FailNext(engine.ErrDoubtful)
			require.ErrorIs(t, f.write(Edit{ID: "x"}).Err, ErrUnavailable)
			f.untilWritable()
		},
		"close":         func(f *fixture, _ context.CancelFunc) { require.NoError(t, f.store.Close()) },
		"a client gone": func(_ *fixture, cancel context.CancelFunc) { cancel() },
	} {
		f := newFixture(t)
		for n := range 2000 {
			f.put(numbered(n), `{"text":"`+strings.Repeat("x", 100)+`"}`, Rev{})
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := &stuckWriter{stuck: make(chan struct{}), over: make(chan struct{})}
		done := make(chan error)
		go func() {
			_, err := f.store.Backup(ctx, w, BackupOptions{Interrupt: func() { close(w.over) }})
			done <- err
		}()
		<-w.stuck
		end(f, cancel)
		err := <-done
		if ctx.Err() == nil {
			require.ErrorIs(t, err, ErrBackupInterrupted, name)
		} else {
			require.Error(t, err, name)
		}
		cancel()
	}
}

// TestNoBackupBeginsWhileTheStoreIsRecovered: it would hold up the recovery, which all others wait for.
func TestNoBackupBeginsWhileTheStoreIsRecovered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var out bytes.Buffer
	f.store.backups.interrupt("the store is being recovered")
	_, err := f.store.Backup(t.Context(), &out, BackupOptions{})
	require.ErrorIs(t, err, ErrBackupInterrupted)
	require.Zero(t, out.Len())
	f.store.backups.resume()
	_, err = f.store.Backup(t.Context(), &out, BackupOptions{})
	require.NoError(t, err)
	f.engine.FailNext(engine.ErrDoubtful)
	require.ErrorIs(t, f.write(Edit{ID: "x"}).Err, ErrUnavailable)
	f.untilWritable()
	f.backedUp("")
}

func TestDecision35_ARestoredStoreIsNotTheOneThatWasBackedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	first := f.put("a", `{"n":1}`, Rev{})
	require.NoError(t, other.Default().Write(t.Context(), []Edit{{ID: "o"}}, WriteOptions{})[0].Err)
	file, _ := f.backedUp("")
	lost, lostSeqs := f.put("a", `{"n":"not in the backup"}`, first), uint64(0)
	f.put("b", `{}`, Rev{})
	_, seen := f.changes(ChangesOptions{}) // what a client has seen
	for range 3 {
		gone, err := f.store.CreateDatabase(t.Context(), fmt.Sprint("later", len(f.store.Databases())))
		require.NoError(t, err)
		lostSeqs = gone.Default().Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Seq
	}

	before := other.Info()
	restored := &fixture{t: t, engine: memory.New(), clock: f.clock}
	report, err := Restore(t.Context(), restored.engine, sources(file), RestoreOptions{})
	require.NoError(t, err)
	require.Len(t, report.Databases, 2)
	restored.open()
	db, err := restored.store.Database("db")
	require.NoError(t, err)
	restored.Collection = db.Default()
	require.Equal(t, uint64(1+1<<32), db.Info().Seq)
	again, err := restored.store.Database("other")
	require.NoError(t, err)
	require.Equal(t, before.Seq+1<<32, again.Info().Seq)
	require.Equal(t, before.FirstSeq, again.Info().FirstSeq)

	rows, last := restored.changes(ChangesOptions{Since: At(seen)})
	require.Empty(t, rows)
	require.Greater(t, last, seen)
	other2 := restored.put("a", `{"n":"after the restore"}`, first)
	require.NotEqual(t, lost, other2)
	rows, _ = restored.changes(ChangesOptions{Since: At(seen)})
	require.Equal(t, []feedRow{{Seq: 2 + 1<<32, ID: "a", Leaves: []string{other2.String()}}}, rows,
		"a client that saw more than the backup has skips nothing")
	require.NotEqual(t, f.db.clock.state().Source, db.clock.state().Source, "versions have another source")

	made, err := restored.store.CreateDatabase(t.Context(), "new")
	require.NoError(t, err)
	require.Greater(t, made.Info().FirstSeq, again.Info().Seq, "a new database begins after all that there were")
	require.Greater(t, made.Info().FirstSeq, lostSeqs, "those too that were made after the backup")
}

// Who gets a backup is asked about all databases that are in it, those too that are deleted and not
// cleared yet, and what is refused leaves no note.
func TestABackupOfWhatMayNotBeSeenIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	require.NoError(t, f.engine.Update(t.Context(), func(tx engine.Txn) error {
		entry := databaseEntry{id: 77, name: "gone", deleting: true}
		return tx.Put(databaseKey(entry.id), entry.encode())
	}))
	before := contents(t, f.engine)
	refusal := errors.New("not for you")
	var out bytes.Buffer
	_, err = f.store.Backup(t.Context(), &out, BackupOptions{Admit: func(names []string) error {
		require.Subset(t, names, []string{"gone", "other"})
		return refusal
	}})
	require.ErrorIs(t, err, refusal)
	require.Zero(t, out.Len())
	require.Equal(t, before, contents(t, f.engine))

	// A database that comes after the first look is in the snapshot, and asked about.
	asked := 0
	_, err = f.store.Backup(t.Context(), &out, BackupOptions{Admit: func([]string) error {
		if asked++; asked == 2 {
			return refusal
		}
		return nil
	}})
	require.ErrorIs(t, err, refusal)
	require.Zero(t, out.Len())
}
