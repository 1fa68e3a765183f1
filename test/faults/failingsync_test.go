package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/caddysync/caddy-sync/test/syncack"
	"github.com/stretchr/testify/require"
)

// Syncs fail at the system call now and then, in every thread. What was acknowledged had a sync that
// succeeded; the server goes on without a restart; no sequence is given twice (DECISIONS 32).
func TestDecision32_AFailingSyncAcknowledgesNothingAndIsRecoveredFrom(t *testing.T) {
	t.Parallel()
	trace := filepath.Join(t.TempDir(), "trace")
	s := newSite(t, harness.Options{
		Wrap:     strace(t, trace, "inject=msync,fsync,fdatasync:error=EIO:when=25+60"),
		Ready:    time.Minute,
		Settings: harness.Settings{Database: oneUser, Store: "memory 64MiB\nmin_free 32MiB"},
	})
	pid := s.PID()
	j := newJournal(500)
	deadline, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	writing, stop := context.WithCancel(deadline)
	all := j.writers(writing, s, "s", 8)
	want := pick(3, 40)
	require.Eventually(t, func() bool { return j.refusals(http.StatusServiceUnavailable) >= want && j.acknowledged() > 100*want },
		pick(90*time.Second, 10*time.Minute), 50*time.Millisecond, "refused: %v", j.refused)
	stop()
	all.Wait()
	j.until(t, s, "after", http.StatusCreated, 30*time.Second)
	require.Equal(t, pid, s.PID())
	require.True(t, s.Running())
	require.NoError(t, s.Kill())
	failed := failedSyncs(t, trace)
	require.Positive(t, failed, "no sync failed")
	lost := strings.Count(s.Log(), "dropped tables that a failed write had listed")
	t.Logf("%d writes acknowledged, %v refused by status, %d syncs failed, tables lost and dropped %d times", j.acknowledged(), j.refused, failed, lost)
	s.Unwrap()
	require.NoError(t, s.Restart(t.Context()))
	j.requireAll(t, s)
}

// Syncs take long. Writes wait for them and are acknowledged together; reads do not wait.
func TestReadsDoNotWaitForASlowSync(t *testing.T) {
	t.Parallel()
	trace := filepath.Join(t.TempDir(), "trace")
	s := newSite(t, harness.Options{
		Wrap:     strace(t, trace, "inject=msync,fsync,fdatasync:delay_enter=300ms"),
		Ready:    2 * time.Minute,
		Settings: harness.Settings{Database: oneUser, Store: "memory 64MiB\nmin_free 32MiB"},
	})
	j := newJournal(500)
	require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "s"))
	writing, stop := context.WithCancel(t.Context())
	all := j.writers(writing, s, "s", 32)
	var reads int
	for began := time.Now(); time.Since(began) < pick(3*time.Second, 30*time.Second); reads++ {
		status, _, err := s.do(t.Context(), http.MethodGet, "/notes/s-000001", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
	stop()
	all.Wait()
	written := j.acknowledged()
	t.Logf("%d reads beside %d writes, whose syncs took 0.3 s each", reads, written)
	// One reader makes three reads a second at most if each waits for a sync.
	require.Greater(t, reads, 10*pick(3, 30))
	require.Greater(t, written, 32)
	require.NoError(t, s.Kill())
	s.Unwrap()
	require.NoError(t, s.Restart(t.Context()))
	j.requireAll(t, s)
}

// strace is the command that spoils system calls of what follows it.
func strace(t *testing.T, output, inject string) []string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		err = fmt.Errorf("%w: strace", harness.ErrNoTool)
	} else if run := exec.Command(path, "-o", os.DevNull, "true").Run(); run != nil {
		err = errors.Join(fmt.Errorf("%w: strace that may trace", harness.ErrNoTool), run)
	}
	require.NoError(t, harness.NeedTool(t, err))
	return []string{path, "-f", "--seccomp-bpf", "-e", "signal=none", "-e", "trace=msync,fsync,fdatasync", "-e", inject, "-o", output}
}

// failedSyncs counts the syncs of the store's logs that failed.
func failedSyncs(t *testing.T, trace string) (n int) {
	t.Helper()
	f, err := os.Open(trace)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	calls, err := syncack.Parse(f)
	require.NoError(t, err)
	for _, c := range calls {
		if strings.Contains(c.Result, "EIO") {
			n++
		}
	}
	return n
}
