package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const diskMiB = 320

// A small disk fills up, by the server's own writes and by others'. Writes get 507, reads go on, and
// when there is room again so do writes, without a restart; after a crash everything is there that
// was acknowledged.
func TestAFullDiskRefusesWritesAndRecoversWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	s := newSite(t, harness.Options{Dir: dir, Settings: harness.Settings{Database: oneUser, Store: "memory 64MiB\nmin_free 128MiB"}})
	pid := s.PID()
	j := newJournal(20_000)
	for round := range pick(2, 10) {
		filler := filepath.Join(dir, "filler")
		fill(t, filler, dir, 132<<20)
		writing, stop := context.WithCancel(t.Context())
		all := j.writers(writing, s, fmt.Sprintf("d%d", round), 8)
		require.Eventually(t, func() bool { return j.refusals(http.StatusInsufficientStorage) >= 50*(round+1) }, time.Minute, 20*time.Millisecond)
		stop()
		all.Wait()
		status, text, err := s.do(t.Context(), http.MethodGet, "/notes/_changes?limit=10", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%s", text)
		// A small one may still fit between the last of those and the limit.
		status, text, err = s.do(t.Context(), http.MethodPut, "/notes/full", []byte(`{"text":"`+textOf("full", 500_000)+`"}`))
		require.NoError(t, err)
		require.Equal(t, http.StatusInsufficientStorage, status, "%.300s", text)
		require.Contains(t, string(text), "insufficient")
		require.NoError(t, os.Remove(filler))
		j.until(t, s, fmt.Sprintf("after%d", round), http.StatusCreated, 20*time.Second)
	}
	require.Equal(t, pid, s.PID())
	require.True(t, s.Running())
	require.Positive(t, j.acknowledged())
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart(t.Context()))
	j.requireAll(t, s)
	t.Logf("%d writes acknowledged, %v refused by status", j.acknowledged(), j.refused)
}

// fill writes a file until no more than so many bytes are left.
func fill(t *testing.T, file, dir string, left int64) {
	t.Helper()
	var disk syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &disk))
	size := int64(disk.Bavail)*disk.Bsize - left
	if size <= 0 {
		return
	}
	f, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, syscall.Fallocate(int(f.Fd()), 0, 0, size))
	require.NoError(t, f.Close())
}

// smallDisk mounts a file system of its own. That takes rights that not everybody has.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700", diskMiB))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("SKIPPED, NOT TESTED: a full disk: mounting a small file system: %v (needs root)", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_FORCE)) })
	return dir
}
