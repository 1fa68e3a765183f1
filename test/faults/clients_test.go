package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// Clients read one byte a second of answers of many megabytes. The server keeps a bounded piece of
// each, others are answered as before, and a reload and a stop do not wait for them.
func TestClientsThatReadAByteASecondCostNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, harness.Options{Settings: harness.Settings{
		Database: oneUser, Store: "memory 64MiB\nmin_free 32MiB", Sync: "stream_close_delay 1s",
	}})
	j := newJournal(20_000)
	for range 1000 { // 20 MB
		require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "b"))
	}
	before, err := harness.Anonymous(s.PID())
	require.NoError(t, err)
	slow, stop := context.WithCancel(t.Context())
	defer stop()
	clients := pick(60, 500)
	var reading sync.WaitGroup
	paths := []string{"/notes/_changes?include_docs=true", "/notes/_all_docs?include_docs=true"}
	var ready sync.WaitGroup
	var answered atomic.Int64
	for i := range clients {
		ready.Add(1)
		reading.Go(func() { s.readSlowly(slow, paths[i%2], func() { answered.Add(1); ready.Done() }, ready.Done) })
	}
	ready.Wait()
	require.EqualValues(t, clients, answered.Load())
	for range 200 {
		require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "b"))
	}
	after, err := harness.Anonymous(s.PID())
	require.NoError(t, err)
	t.Logf("%d slow clients of 20 MB each: %d KiB each", clients, (after-before)>>10/int64(clients))
	require.Less(t, after-before, int64(clients)*(1<<20)+(64<<20))
	require.NoError(t, s.Reload(t.Context()))
	require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "b"))
	began := time.Now()
	require.NoError(t, s.Stop())
	t.Logf("stopped in %s", time.Since(began))
	stop()
	reading.Wait()
}

// readSlowly asks and reads a byte a second until the context or the connection ends.
func (s *site) readSlowly(ctx context.Context, path string, answered, failed func()) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		failed()
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, strings.TrimPrefix(s.URL, "http://"), s.token)
	one := make([]byte, 1)
	if _, err = io.ReadFull(conn, one); err != nil {
		failed()
		return
	}
	answered()
	for err == nil && ctx.Err() == nil {
		pause(ctx, time.Second)
		_, err = conn.Read(one)
	}
}

// Many clients follow a database; the server is killed and comes back, and all of them come back at
// once. Each is told of the next change, and none is refused for good.
func TestAllClientsComeBackAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, harness.Options{Settings: harness.Settings{Database: oneUser, Store: "memory 256MiB\nmin_free 32MiB"}})
	j := newJournal(200)
	require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "r"))
	clients := pick(1000, 8000)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	var told [3]atomic.Int64 // by change
	var odd sync.Map
	var following sync.WaitGroup
	for range clients {
		following.Go(func() { s.follow(ctx, &told, &odd) })
	}
	all := func(n int) func() bool { return func() bool { return told[n].Load() >= int64(clients) } }
	require.Eventually(t, all(0), 2*time.Minute, 50*time.Millisecond)
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart(t.Context()))
	began := time.Now()
	for n := 1; n < len(told); n++ {
		require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "r"))
		require.Eventually(t, all(n), 2*time.Minute, 50*time.Millisecond, "%d of %d were told of change %d", told[n].Load(), clients, n)
		t.Logf("%d clients were told of change %d, %s after the server was there again", clients, n, time.Since(began).Round(10*time.Millisecond))
	}
	stop()
	following.Wait()
	odd.Range(func(what, _ any) bool {
		require.Fail(t, "an answer that a client would not expect", "%v", what)
		return true
	})
}

// follow follows the changes, over any number of connections.
func (s *site) follow(ctx context.Context, told *[3]atomic.Int64, odd *sync.Map) {
	since, seen := "0", 0
	for ctx.Err() == nil && seen < len(told) {
		err := s.followOnce(ctx, since, func(seq string) bool {
			since = seq
			told[seen].Add(1)
			seen++
			return seen < len(told)
		}, odd)
		if err != nil {
			pause(ctx, 100*time.Millisecond)
		}
	}
}

func (s *site) followOnce(ctx context.Context, since string, each func(seq string) bool, odd *sync.Map) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET /notes/_changes?feed=continuous&heartbeat=20000&since=%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", since, s.token); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(conn, 1024)
	status, err := lines.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(status, " 200 ") {
		if !strings.Contains(status, " 503 ") && !strings.Contains(status, " 429 ") {
			odd.Store(strings.TrimSpace(status), true)
		}
		return fmt.Errorf("%w: %s", harness.ErrRefused, status)
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		var row struct {
			Seq json.RawMessage `json:"seq"`
			ID  string          `json:"id"`
		}
		if json.Unmarshal([]byte(line), &row) == nil && row.ID != "" && !each(strings.Trim(string(row.Seq), `"`)) {
			return nil
		}
	}
}

// The Go runtime may have less memory than the store was given. It is slow then, and ends nothing.
func TestTooLittleMemoryEndsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, harness.Options{
		Env:      []string{"GOMEMLIMIT=48MiB"},
		Settings: harness.Settings{Database: oneUser, Store: "memory 64MiB\nmin_free 32MiB"},
	})
	j := newJournal(pick(2000, 20_000))
	ctx, stop := context.WithCancel(t.Context())
	all := j.writers(ctx, s, "g", 16)
	require.Eventually(t, func() bool { return j.acknowledged() >= 3000 }, pick(time.Minute, 5*time.Minute), 50*time.Millisecond)
	stop()
	all.Wait()
	require.True(t, s.Running())
	anonymous, err := harness.Anonymous(s.PID())
	require.NoError(t, err)
	t.Logf("%d writes, %d MiB of memory", j.acknowledged(), anonymous>>20)
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart(t.Context()))
	j.requireAll(t, s)
}
