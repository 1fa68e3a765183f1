package caddysync

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// whole writes a file of a text.
func whole(path, text string, before func()) error {
	return writeWhole(path, func(w io.Writer) error {
		before()
		_, err := io.WriteString(w, text)
		return err
	}, func(string) error { return nil })
}

// The timer starts the second backup while the first takes long.
func TestOfTwoBackupsIntoOneFileAtOnceTheSecondFails(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "backup")
	err := whole(path, "second", func() { require.NoError(t, whole(path, "first", func() {})) })
	require.ErrorContains(t, err, "is there already")
	requireOnly(t, folder, "backup", "first")
}

func TestAFileWithoutHardLinksIsNamedAndWritesOverNone(t *testing.T) {
	t.Parallel()
	noLinks := func(string, string) error { return syscall.EPERM }
	folder := t.TempDir()
	from, to := filepath.Join(folder, "part"), filepath.Join(folder, "backup")
	require.NoError(t, os.WriteFile(from, []byte("first"), 0o600))
	require.NoError(t, nameNew(from, to, noLinks))
	requireOnly(t, folder, "backup", "first")
	require.NoError(t, os.WriteFile(from, []byte("second"), 0o600))
	require.ErrorContains(t, nameNew(from, to, noLinks), "is there already")
	require.NoError(t, os.Remove(from))
	requireOnly(t, folder, "backup", "first")
}

// requireOnly looks that a folder has one file, and what is in that.
func requireOnly(t *testing.T, folder, name, text string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, name, files[0].Name())
	has, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	require.Equal(t, text, string(has))
}
