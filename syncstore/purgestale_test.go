package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsPreparedFromAnOutdatedStateIsPreparedAgain has a document purged to one revision between the
// reading of its head and of the rest of it, which is gone by then.
func TestWhatIsPreparedFromAnOutdatedStateIsPreparedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "1-bb")
	f.pushed("a", `{}`, "1-aa")
	winner := Rev{Gen: 1, Digest: "bb"}
	key := f.scope.head("a")
	outdated := f.cachedHead(key)
	purge := func() error {
		_, err := f.Purge(t.Context(), []Purging{{ID: "a", Revs: []Rev{winner}}})
		return err
	}
	require.NoError(t, purge())
	for name, do := range map[string]func() error{
		"purge": purge,
		"write": func() error { return f.write(Edit{ID: "a", Parent: winner}).Err },
	} {
		f.keepInCache(key, outdated)
		done := make(chan error, 1)
		asked := f.store.cache.asked()
		go func() { done <- do() }()
		require.Eventually(t, func() bool { return f.store.cache.asked() > asked+2 || len(done) > 0 }, waitFor, tick)
		f.store.cache.clear()
		if err := <-done; name == "write" {
			require.ErrorIs(t, err, ErrConflict)
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, []string{"1-aa"}, f.leaves("a"))
}

func (f *fixture) cachedHead(key []byte) *head {
	h, _ := f.store.cache.get(key)
	require.NotNil(f.t, h)
	return h
}

func (f *fixture) keepInCache(key []byte, h *head) {
	f.store.cache.clear()
	_, epoch := f.store.cache.get(key)
	f.store.cache.offer(key, h, epoch)
}
