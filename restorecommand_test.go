package caddysync

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
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

// restoring makes a backup of a store with a database, and gives the command that restores it.
func restoring(t *testing.T) func(to, free string) error {
	t.Helper()
	folder := t.TempDir()
	from, backup := filepath.Join(folder, "from"), filepath.Join(folder, "backup")
	opened, err := badger.Open(from, badger.Options{MinFree: 1, GCInterval: -1})
	require.NoError(t, err)
	store, err := syncstore.Open(t.Context(), opened, syncstore.Options{})
	require.NoError(t, err)
	_, err = store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	file, err := os.Create(backup)
	require.NoError(t, err)
	_, err = store.Backup(t.Context(), file, syncstore.BackupOptions{})
	require.NoError(t, errors.Join(err, file.Close(), store.Close(), opened.Close()))
	return func(to, free string) error {
		flags := restoreCommand().Flags()
		require.NoError(t, flags.Parse([]string{backup, "--to", to, "--min-free", free}))
		return runRestore(t.Context(), caddycmd.Flags{FlagSet: flags}, &terminal{out: io.Discard, progress: io.Discard})
	}
}

// The link leads to the disk that is for the store.
func TestARestoreToALinkFillsTheFolderThatItLeadsTo(t *testing.T) {
	t.Parallel()
	restore, folder := restoring(t), t.TempDir()
	disk, to := filepath.Join(folder, "disk"), filepath.Join(folder, "store")
	require.NoError(t, os.Symlink(disk, to))
	require.ErrorIs(t, restore(to, "1B"), os.ErrNotExist, "a link that leads nowhere stays")
	require.NoError(t, os.Mkdir(disk, 0o700))
	require.NoError(t, restore(to, "1B"))
	require.FileExists(t, filepath.Join(disk, "MANIFEST"))
	leads, err := os.Readlink(to)
	require.NoError(t, err)
	require.Equal(t, disk, leads)
	require.ErrorIs(t, restore(to, "1B"), syncstore.ErrNotEmpty)
}

// Who runs a server with a small min_free restores its backups on the same disk.
func TestARestoreLeavesAsMuchFreeAsItIsTold(t *testing.T) {
	t.Parallel()
	restore, to := restoring(t), filepath.Join(t.TempDir(), "to")
	err := restore(to, "1EiB")
	require.ErrorIs(t, err, engine.ErrNoSpace)
	require.ErrorContains(t, err, "--min-free <size>")
	require.ErrorContains(t, restore(to, "much"), `"much" is not a size`)
	require.NoError(t, restore(to, "1B"))
}
