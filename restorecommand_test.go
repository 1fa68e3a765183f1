package caddysync

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatWasRestoredAndHasNoPlaceIsKept(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "store")
	making := ""
	fill := func(folder string) error {
		making = folder
		return os.WriteFile(filepath.Join(folder, "restored"), nil, 0o600)
	}
	require.NoError(t, makeFolder(to, fill))
	require.FileExists(t, filepath.Join(to, "restored"))

	err := makeFolder(to, fill)
	require.ErrorContains(t, err, "it is whole, in "+making, "something is there by now")
	require.FileExists(t, filepath.Join(making, "restored"))

	broken := errors.New("broken")
	err = makeFolder(to, func(folder string) error {
		making = folder
		return broken
	})
	require.ErrorIs(t, err, broken)
	require.NoDirExists(t, making)
}
