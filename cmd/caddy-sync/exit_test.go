package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOpenFeedDoesNotHoldUpTheExit: Caddy waits for requests without a limit when it
// exits; a feed may be open for ever.
func TestOpenFeedDoesNotHoldUpTheExit(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	address := "127.0.0.1:" + freePorts(t, 1)[0]
	config := filepath.Join(folder, "Caddyfile")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `{
	admin off
	persist_config off
	sync {
		store badger %s {
			memory 64MiB
			min_free 1MiB
		}
		database notes {
			guest
			access shared
		}
		stream_close_delay 1h
	}
}
http://%s {
	bind 127.0.0.1
	sync notes
}
`, filepath.Join(folder, "data"), address), 0o600))

	self, err := os.Executable()
	require.NoError(t, err)
	var output bytes.Buffer
	server := exec.CommandContext(t.Context(), self, "run", "--config", config)
	server.Env = append(os.Environ(), asBinary+"=1", "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	server.Stdout, server.Stderr = &output, &output
	require.NoError(t, server.Start())
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()

	get := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(r)
	}
	require.Eventually(t, func() bool {
		answer, err := get("/_up")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
	answer, err := get("/notes/_changes?feed=continuous&heartbeat=60000")
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()

	began := time.Now()
	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"last_seq"`, "the feed ends with a complete body")
	select {
	case err := <-exited:
		require.NoError(t, err, output.String())
	case <-time.After(20 * time.Second):
		require.FailNow(t, "still running", output.String())
	}
	require.Less(t, time.Since(began), 10*time.Second)
}
