// Package enginetest is the conformance test for engines: what the document store
// relies on and package engine promises. Every engine runs it from its own tests.
package enginetest

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// TxnSize is how many bytes of keys and small values every engine must take in one
	// update. A group of the committer holds far less; a single document may need more
	// than a group (DECISIONS 31).
	TxnSize = 4<<20 - 64<<10
	// TxnKeys is how many keys every engine must take in one update.
	TxnKeys = 8000 - 1
)

// Open returns a new empty engine. The test closes it; if it needs more after that, it
// is for open to register.
type Open func(t *testing.T) engine.Engine

// OpenPath opens the engine that is kept at path, a directory, or makes it.
type OpenPath func(t *testing.T, path string) engine.Engine

// Run runs all tests but those of durability. Each has an engine of its own.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, engine.Engine){
		"Get":                                     testGet,
		"GetMany":                                 testGetMany,
		"values from Get belong to the caller":    testGetOwnership,
		"empty values":                            testEmptyValues,
		"sizes of keys and values":                testSizes,
		"keys of any bytes":                       testAnyBytes,
		"Scan of ranges":                          testScanRanges,
		"Scan of prefixes":                        testScanPrefixes,
		"Scan of keys only":                       testScanKeysOnly,
		"Measure":                                 testMeasure,
		"Scan stopped early":                      testScanStopped,
		"Scan of large values":                    testScanLarge,
		"Scan with nested reads":                  testScanNested,
		"random operations against a model":       testModel,
		"a snapshot does not change":              testSnapshot,
		"a view sees what returned before":        testViewSeesUpdates,
		"an update sees its own writes":           testOwnWrites,
		"an error undoes an update":               testUndo,
		"an update may be large":                  testLargeUpdate,
		"an update without writes":                testNoWrites,
		"concurrent updates lose nothing":         testIncrements,
		"concurrent views see whole updates":      testWholeUpdates,
		"errors of the functions come back":       testFunctionErrors,
		"a cancelled context":                     testCancelled,
		"a context cancelled in an update":        testCancelledInside,
		"an update waiting for another":           testCancelledWaiting,
		"Watch":                                   testWatch,
		"Watch joins several commits":             testWatchJoins,
		"Watch is not told of failures":           testWatchFailures,
		"Watch after stop":                        testWatchStop,
		"Recover without need":                    testRecoverIdle,
		"Stats":                                   testStats,
		"a closed engine":                         testClosed,
		"Close does not end in the middle of use": testCloseConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			defer func() { _ = e.Close() }() // some close it themselves
			test(t, e)
		})
	}
}

// RunVersioned runs the tests of an engine whose readers are engine.VersionedReader.
func RunVersioned(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, engine.Engine){
		"versions rise with commits":            testVersions,
		"ScanSince shows values of later pairs": testScanSince,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			defer func() { _ = e.Close() }()
			test(t, e)
		})
	}
}

// RunVersionsDurable runs the test of versions that opens an engine again.
func RunVersionsDurable(t *testing.T, open OpenPath) {
	testVersionsReopened(t, open)
}

// RunDurable runs the tests that open an engine again.
func RunDurable(t *testing.T, open OpenPath) {
	for name, test := range map[string]func(*testing.T, OpenPath){
		"what was written is there after a restart": testReopen,
		"large values are there after a restart":    testReopenLarge,
		"deletions are there after a restart":       testReopenDeleted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

// pair is a key and its value.
type pair struct {
	key, value string
}

func put(t *testing.T, e engine.Engine, pairs ...pair) {
	t.Helper()
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		for _, p := range pairs {
			if err := tx.Put([]byte(p.key), []byte(p.value)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func remove(t *testing.T, e engine.Engine, keys ...string) {
	t.Helper()
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		for _, k := range keys {
			if err := tx.Delete([]byte(k)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// keys puts each key with its own name as value.
func keys(names ...string) []pair {
	pairs := make([]pair, len(names))
	for i, name := range names {
		pairs[i] = pair{name, "value of " + name}
	}
	return pairs
}

func view(t *testing.T, e engine.Engine, fn func(engine.Reader)) {
	t.Helper()
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		fn(r)
		return nil
	}))
}

// scan collects a range.
func scan(t *testing.T, r engine.Reader, in engine.Range) []pair {
	t.Helper()
	var got []pair
	pairs, failed := r.Scan(in)
	for k, v := range pairs {
		got = append(got, pair{string(k), string(v)})
	}
	require.NoError(t, failed())
	return got
}

func requireValue(t *testing.T, r engine.Reader, key, value string) {
	t.Helper()
	got, err := r.Get([]byte(key))
	require.NoError(t, err)
	require.Equal(t, value, string(got))
}

func requireMissing(t *testing.T, r engine.Reader, key string) {
	t.Helper()
	_, err := r.Get([]byte(key))
	require.ErrorIs(t, err, engine.ErrNotFound)
}

// pattern returns n bytes that differ from place to place and from seed to seed.
func pattern(n int, seed byte) []byte {
	b := bytes.Repeat([]byte{0}, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16) ^ seed
	}
	return b
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
