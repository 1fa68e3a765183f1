package enginetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func versioned(t *testing.T, e engine.Engine, fn func(engine.VersionedReader)) {
	t.Helper()
	view(t, e, func(r engine.Reader) {
		v, ok := r.(engine.VersionedReader)
		require.True(t, ok, "%T knows no versions", r)
		fn(v)
	})
}

func versionOf(t *testing.T, e engine.Engine, key string) (version uint64) {
	t.Helper()
	versioned(t, e, func(r engine.VersionedReader) {
		var err error
		version, err = r.Version([]byte(key))
		require.NoError(t, err)
	})
	return version
}

// scanSince collects what ScanSince shows; "-" stands for values that it leaves out.
func scanSince(t *testing.T, e engine.Engine, since uint64) (got []pair) {
	t.Helper()
	versioned(t, e, func(r engine.VersionedReader) {
		pairs, failed := r.ScanSince(since)
		for key, value := range pairs {
			text := string(value)
			if value == nil {
				text = "-"
			}
			got = append(got, pair{string(key), text})
		}
		require.NoError(t, failed())
	})
	return got
}

func testVersions(t *testing.T, e engine.Engine) {
	put(t, e, pair{"a", "1"}, pair{"b", "1"})
	first := versionOf(t, e, "a")
	require.Equal(t, first, versionOf(t, e, "b"), "of one commit")
	put(t, e, pair{"a", "2"})
	require.Greater(t, versionOf(t, e, "a"), first)
	require.Equal(t, first, versionOf(t, e, "b"))
	remove(t, e, "b")
	versioned(t, e, func(r engine.VersionedReader) {
		_, err := r.Version([]byte("b"))
		require.ErrorIs(t, err, engine.ErrNotFound)
	})
}

func testScanSince(t *testing.T, e engine.Engine) {
	put(t, e, pair{"a", "1"}, pair{"b", "1"}, pair{"c", "1"}, pair{"empty", ""})
	since := versionOf(t, e, "a")
	put(t, e, pair{"b", "2"}, pair{"d", ""})
	remove(t, e, "c")
	require.Equal(t, []pair{{"a", "-"}, {"b", "2"}, {"d", ""}, {"empty", "-"}}, scanSince(t, e, since))
	require.Equal(t, []pair{{"a", "1"}, {"b", "2"}, {"d", ""}, {"empty", ""}}, scanSince(t, e, 0))
}

// testVersionsReopened: what is written after a restart has a higher version than anything that
// is there, though what had the highest of all was deleted.
func testVersionsReopened(t *testing.T, open OpenPath) {
	var kept uint64
	reopened(t, open, func(e engine.Engine) {
		put(t, e, pair{"a", "1"})
		put(t, e, pair{"b", "1"})
		kept = versionOf(t, e, "b")
		remove(t, e, "a")
	}, func(e engine.Engine) {
		put(t, e, pair{"c", "1"})
		require.Greater(t, versionOf(t, e, "c"), kept)
		require.Equal(t, []pair{{"b", "-"}, {"c", "1"}}, scanSince(t, e, kept))
	})
}
