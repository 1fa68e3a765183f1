package syncack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const (
	oneByOne   = 80
	together   = 12 // clients, each writing one by one
	eachOfThem = 10
)

// isStoreLog tells the files that Badger's writes are synced to: the log of a memtable
// and the value log. Tables and the manifest are none of an acknowledged write's business.
func isStoreLog(path string) bool {
	return strings.HasSuffix(path, ".mem") || strings.HasSuffix(path, ".vlog")
}

func TestDecision41_AcknowledgedOnlyAfterSync(t *testing.T) {
	t.Parallel()
	v := trace(t, "")
	t.Logf("%d writes acknowledged, %d syncs", len(v.Acknowledged), v.Syncs)
	require.Len(t, v.Acknowledged, oneByOne+together*eachOfThem)
	require.Empty(t, v.Unsynced)
	require.GreaterOrEqual(t, v.Syncs, oneByOne)
}

// The check would see it: without syncs it finds every write that came alone.
func TestDecision41_SyncWritesOffIsFound(t *testing.T) {
	t.Parallel()
	v := trace(t, "sync_writes off")
	require.Len(t, v.Acknowledged, oneByOne+together*eachOfThem)
	require.GreaterOrEqual(t, len(v.Unsynced), oneByOne*9/10)
}

// trace runs a server under strace, writes to it, and judges what strace saw.
func trace(t *testing.T, option string) Verdict {
	t.Helper()
	require.NoError(t, harness.NeedTool(t, findStrace()))
	output := filepath.Join(t.TempDir(), "trace")
	server := harness.New(t, harness.Options{
		Wrap:     append([]string{"strace"}, Flags(output)...),
		Ready:    time.Minute,
		Settings: harness.Settings{Store: "memory 64MiB\nmin_free 32MiB\n" + option},
	})
	token, err := server.Token(t.Context(), "alice", nil)
	require.NoError(t, err)
	// The first write signs the user up, which is synced too.
	put(t, server.URL+"/notes/first", token)
	for i := range oneByOne {
		put(t, fmt.Sprintf("%s/notes/stamp-%05d", server.URL, i), token)
	}
	var clients sync.WaitGroup
	for c := range together {
		clients.Go(func() {
			for i := range eachOfThem {
				put(t, fmt.Sprintf("%s/notes/stamp-%05d", server.URL, 10_000*(c%9+1)+1000*(c/9)+i), token)
			}
		})
	}
	clients.Wait()
	require.NoError(t, server.Stop())
	file, err := os.Open(output)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	calls, err := Parse(file)
	require.NoError(t, err)
	return Judge(calls, isStoreLog)
}

// findStrace looks whether strace is there and may trace.
func findStrace() error {
	path, err := exec.LookPath("strace")
	if err != nil {
		return fmt.Errorf("%w: strace", harness.ErrNoTool)
	}
	if err := exec.Command(path, "-o", os.DevNull, "true").Run(); err != nil {
		return errors.Join(fmt.Errorf("%w: strace that may trace", harness.ErrNoTool), err)
	}
	return nil
}

func put(t *testing.T, url, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader([]byte(`{"stamped":true}`)))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusCreated {
		t.Errorf("PUT: %s: %s", res.Status, text)
	}
}
