package badger

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// collecting is a store with a file of the value log that is mostly garbage. What is left in it is "7".
type collecting struct {
	*Engine
	path    string
	options Options
}

func newCollecting(t *testing.T, o Options) *collecting {
	t.Helper()
	c := &collecting{path: t.TempDir(), options: o}
	c.reopen(t)
	for i := range 8 {
		c.put(t, fmt.Sprint(i), 512<<10)
	}
	c.reopen(t)
	for i := range 7 {
		c.remove(t, fmt.Sprint(i))
	}
	for i := range 6 { // as many tables as are merged
		c.reopen(t)
		c.put(t, fmt.Sprint("other ", i), 0)
	}
	c.merge(t)
	return c
}

// reopen has what is in memory written into a table, and begins a file of the value log. Only merge compacts:
// what Badger compacts while it is being opened has its garbage kept.
func (c *collecting) reopen(t *testing.T) {
	t.Helper()
	if c.Engine != nil {
		require.NoError(t, c.Close())
	}
	var err error
	c.Engine, err = open(c.path, c.options, hooks{free: freeBytes, commit: commitAt, still: true})
	require.NoError(t, err)
}

func (c *collecting) put(t *testing.T, key string, size int) {
	t.Helper()
	require.NoError(t, c.Update(t.Context(), func(tx engine.Txn) error {
		return tx.Put([]byte(key), bytes.Repeat([]byte("x"), size))
	}))
}

func (c *collecting) remove(t *testing.T, key string) {
	t.Helper()
	require.NoError(t, c.Update(t.Context(), func(tx engine.Txn) error { return tx.Delete([]byte(key)) }))
}

// merge merges all tables into the lowest level, which forgets what nobody reads any more.
func (c *collecting) merge(t *testing.T) {
	t.Helper()
	require.NoError(t, c.current.Load().db.Flatten(1))
}

func (c *collecting) collectOne(t *testing.T) {
	t.Helper()
	collected, err := c.collectFile(t.Context())
	require.NoError(t, err)
	require.True(t, collected)
}

func (c *collecting) has(t *testing.T, key string) bool {
	t.Helper()
	var err error
	require.NoError(t, c.View(t.Context(), func(r engine.Reader) error {
		_, err = r.Get([]byte(key))
		return nil
	}))
	if !errors.Is(err, engine.ErrNotFound) {
		require.NoError(t, err)
	}
	return err == nil
}

// TestWhatWasDeletedBeforeACollectionStaysDeleted has the deletion in a table when the collection comes
// upon what was deleted, and merges it before what the collection wrote.
func TestWhatWasDeletedBeforeACollectionStaysDeleted(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]byte{"plain": nil, "encrypted": bytes.Repeat([]byte("k"), 32)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(t)
			o.EncryptionKey = key
			c := newCollecting(t, o)
			c.remove(t, "7")
			c.reopen(t)
			c.collectOne(t)
			c.merge(t)
			require.False(t, c.has(t, "7"))
			c.reopen(t)
			require.False(t, c.has(t, "7"))
			require.NoError(t, c.Close())
		})
	}
}

func TestWhatIsReadWhileItsDeletionIsCollectedIsThereAsLongAsItIsRead(t *testing.T) {
	t.Parallel()
	c := newCollecting(t, small(t))
	c.reopen(t)
	require.NoError(t, c.View(t.Context(), func(r engine.Reader) error {
		c.remove(t, "7")
		c.collectOne(t)
		c.merge(t)
		value, err := r.Get([]byte("7"))
		require.Len(t, value, 512<<10)
		return err
	}))
	require.False(t, c.has(t, "7"))
	c.reopen(t)
	c.merge(t)
	require.False(t, c.has(t, "7"))
	require.NoError(t, c.Close())
}

func TestWhatIsNotDeletedIsThereAfterACollection(t *testing.T) {
	t.Parallel()
	c := newCollecting(t, small(t))
	c.remove(t, "7")
	c.put(t, "7", 100)
	c.collectOne(t)
	c.merge(t)
	c.reopen(t)
	require.True(t, c.has(t, "7"))
	require.NoError(t, c.Close())
}

// lineCore calls do when a line of a log begins with a text.
type lineCore struct {
	zapcore.Core
	text string
	do   func()
}

func (l *lineCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(entry, l)
}

func (l *lineCore) Write(entry zapcore.Entry, _ []zapcore.Field) error {
	if strings.HasPrefix(entry.Message, l.text) {
		l.do()
	}
	return nil
}

func (l *lineCore) Enabled(zapcore.Level) bool { return true }

// TestWhatIsDeletedDuringACollectionStaysDeleted deletes when the collection has begun, and has the deletion
// in a table before the collection writes what was deleted.
func TestWhatIsDeletedDuringACollectionStaysDeleted(t *testing.T) {
	t.Parallel()
	o := small(t)
	line := &lineCore{Core: zapcore.NewNopCore(), text: "badger: Rewriting fid", do: func() {}}
	o.Logger = zap.New(line)
	c := newCollecting(t, o)
	c.reopen(t)
	line.do = func() {
		c.remove(t, "7")
		for tables := c.tables(); c.tables() == tables; { // until the memtable with it is a table
			c.put(t, "filler", 60<<10)
		}
	}
	c.collectOne(t)
	c.put(t, "later", 0) // nothing holds what was deleted any more
	c.merge(t)
	require.False(t, c.has(t, "7"))
	require.NoError(t, c.Close())
}

func (c *collecting) tables() int { return len(c.current.Load().db.Tables()) }

// TestBadgerSaysWhichFileItRewrites holds what gcdeleted.go relies on against Badger's source.
func TestBadgerSaysWhichFileItRewrites(t *testing.T) {
	t.Parallel()
	require.Contains(t, badgerSource(t, "value.go"), `Infof("`+rewriteLine+`", f.fid)`)
	require.Contains(t, badgerSource(t, "memtable.go"), "func (lf *logFile) generateIV(offset uint32) []byte")
}
