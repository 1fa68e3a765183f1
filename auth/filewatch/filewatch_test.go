package filewatch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestDecision17_NamedFileIsReadAgainAndABadOneKeepsTheOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "named")
		write := func(text string) {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			time.Sleep(Interval)
			synctest.Wait()
		}
		require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
		var taken []string
		w, err := New(path, func(content []byte) error {
			if string(content) == "bad" {
				return errors.New("a bad one")
			}
			taken = append(taken, string(content))
			return nil
		})
		require.NoError(t, err)
		core, logs := observer.New(zap.InfoLevel)
		changes := 0
		w.Start(zap.New(core), func() { changes++ })
		w.Start(zap.New(core), func() { t.Error("started twice") })
		synctest.Wait()

		write("two")
		require.Equal(t, []string{"one", "two"}, taken)
		require.Equal(t, 1, changes)
		require.Equal(t, 1, logs.FilterMessage("a named file was read again").Len())

		write("bad")
		time.Sleep(3 * Interval)
		write("") // somebody truncates and writes
		require.Equal(t, []string{"one", "two", ""}, taken)
		require.Equal(t, 1, logs.FilterLevelExact(zap.ErrorLevel).Len(), "once, not every 5 s")

		require.NoError(t, os.Remove(path))
		time.Sleep(3 * Interval)
		synctest.Wait()
		require.Equal(t, 2, logs.FilterLevelExact(zap.ErrorLevel).Len())

		w.End()
		w.End()
		write("four")
		require.Equal(t, 2, changes, "nobody looks after End")
		require.True(t, w.Check(0), "unless asked")
		require.Equal(t, 3, changes)
		require.False(t, w.Check(Interval), "a moment ago")
	})
}

func TestFirstReadMustBeGood(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "named")
	fine := func([]byte) error { return nil }
	_, err := New(path, fine)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", Limit+1)), 0o600))
	_, err = New(path, fine)
	require.ErrorContains(t, err, "is over")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	bad := errors.New("bad")
	_, err = New(path, func([]byte) error { return bad })
	require.ErrorIs(t, err, bad)
	require.ErrorContains(t, err, path)
}
