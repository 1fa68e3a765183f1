package test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// terminal is what a command wrote.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *terminal) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// runQuickstart is what `make run` does once all is built, in a copy of the folder.
func runQuickstart(t *testing.T, folder string, args ...string) (*exec.Cmd, *terminal) {
	t.Helper()
	binary, err := harness.Binary(t.Context(), false)
	require.NoError(t, err)
	var out terminal
	run := exec.Command(filepath.Join(folder, "run"), args...) // ended by a signal, as by Control-C
	run.Env = append(os.Environ(), "CADDY_SYNC="+binary, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	run.Stdout, run.Stderr = &out, &out
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, run.Start())
	return run, &out
}

// quickstartFolder is a copy of examples/quickstart on ports of its own.
func quickstartFolder(t *testing.T) (folder string, port func(string) string) {
	t.Helper()
	root, err := harness.Root()
	require.NoError(t, err)
	folder = t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join(root, "examples", "quickstart"))))
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "data")))
	var pairs []string
	for _, known := range []string{quickstartPort, quickstartAdmin, quickstartControl} {
		free, err := harness.FreePort()
		require.NoError(t, err)
		pairs = append(pairs, ":"+known, ":"+strconv.Itoa(free))
	}
	ports := strings.NewReplacer(pairs...)
	text := ports.Replace(readFile(t, "examples", "quickstart", "Caddyfile"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Caddyfile"), []byte(text), 0o600))
	return folder, ports.Replace
}

func TestTheQuickstartSaysWhereItIsAndEndsByControlC(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			require.NoError(t, harness.NeedTool(t, harness.ErrNoTool))
		}
	}
	folder, port := quickstartFolder(t)
	run, out := runQuickstart(t, folder)
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	t.Cleanup(func() { _ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL) })
	eventually(t, 30*time.Second, func() bool { return strings.Contains(out.String(), "Control-C ends it") })
	require.Contains(t, out.String(), port("App      http://localhost:8080 "))
	require.Contains(t, out.String(), port("Console  http://127.0.0.1:4985/_console/"))

	t.Run("the other name of each site leads to it", func(t *testing.T) {
		for from, to := range map[string]string{"http://127.0.0.1:8080/x?y=1": "http://localhost:8080/x?y=1", "http://localhost:4985/": "http://127.0.0.1:4985/"} {
			status, header := lookAt(t, port(from))
			require.Equal(t, http.StatusFound, status)
			require.Equal(t, port(to), header.Get("Location"))
		}
	})
	t.Run("another one says that one is running", func(t *testing.T) {
		for _, args := range [][]string{nil, {"--free"}} {
			other, said := runQuickstart(t, folder, args...)
			failed := (*exec.ExitError)(nil)
			require.ErrorAs(t, other.Wait(), &failed, said)
			require.Equal(t, 1, failed.ExitCode())
			require.Equal(t, port("A quickstart is running already: http://localhost:8080 (console http://127.0.0.1:4985/_console/). Control-C in its terminal ends it.\n"), said.String())
		}
	})
	t.Run("the terminal stays quiet, the requests are in a file", func(t *testing.T) {
		require.NotContains(t, out.String(), "HTTP/2")
		require.NotContains(t, out.String(), "handled request")
		require.Equal(t, 1, strings.Count(out.String(), `"level"`), "the provider's warning alone: %s", out)
		log, err := os.ReadFile(filepath.Join(folder, "data", "access.log"))
		require.NoError(t, err)
		require.Contains(t, string(log), "/x?y=1")
	})

	require.NoError(t, syscall.Kill(-run.Process.Pid, syscall.SIGINT))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	select {
	case err := <-ended:
		require.NoError(t, err, out)
	case <-ctx.Done():
		require.Fail(t, "Control-C does not end it")
	}
	free, said := runQuickstart(t, folder, "--free")
	require.NoError(t, free.Wait(), said)
}

// TestTheQuickstartFailsHonestly starts it with a Caddyfile that does not load.
func TestTheQuickstartFailsHonestly(t *testing.T) {
	t.Parallel()
	folder, _ := quickstartFolder(t)
	file := filepath.Join(folder, "Caddyfile")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte("sync notes lists"), []byte("sync note lists"), 1), 0o600))
	run, out := runQuickstart(t, folder)
	failed := (*exec.ExitError)(nil)
	require.ErrorAs(t, run.Wait(), &failed, out)
	require.Equal(t, 1, failed.ExitCode())
	require.NotContains(t, out.String(), "Control-C")
}

// lookAt asks without following a redirect.
func lookAt(t *testing.T, address string) (int, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode, answer.Header
}
