package caddysync

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// liteSockets opens continuous pulls of each version, n of each, that have pulled everything.
func (s *testSite) liteSockets(n int) (sockets []*harness.Lite) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for i := range 3 * n {
		l, err := harness.DialLite(ctx, "http://"+s.addr+"/notes", harness.LiteOptions{Version: 2 + i%3})
		for retries := 0; err != nil && retries < 3; retries++ { // as request does
			l, err = harness.DialLite(ctx, "http://"+s.addr+"/notes", harness.LiteOptions{Version: 2 + i%3})
		}
		require.NoError(s.t, err)
		s.t.Cleanup(l.Drop)
		_, _, err = l.Open(ctx, "cp")
		require.NoError(s.t, err)
		require.NoError(s.t, l.Pull(ctx, "", true))
		require.NoError(s.t, l.Await(ctx, (*harness.LiteState).Idle))
		sockets = append(sockets, l)
	}
	return sockets
}

// dropped fails unless the sockets end within the time, without a close frame.
func (s *testSite) dropped(sockets []*harness.Lite, within time.Duration) {
	s.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for _, l := range sockets {
		select {
		case <-l.Ended():
			require.False(s.t, l.CloseFrame(), "the client would stop")
		case <-timer.C:
			require.FailNow(s.t, "a socket is still open")
		}
	}
}

// hears fails unless every socket is told of a document.
func (s *testSite) hears(sockets []*harness.Lite, id string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	for _, l := range sockets {
		require.NoError(s.t, l.Await(ctx, func(state *harness.LiteState) bool {
			_, came := state.Docs[id]
			return came
		}), id)
	}
}

// liteGoroutines counts the goroutines that replicate.
func liteGoroutines() (n int) {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "/replication/lite.") || strings.Contains(stack, "/replication/blip.") {
			n++
		}
	}
	return n
}

// runningApp is the configuration that runs, held by nobody.
func runningApp() weak.Pointer[App] {
	h := handles()[0]
	h.mu.Lock()
	defer h.mu.Unlock()
	return weak.Make(h.running[len(h.running)-1])
}

func TestDecision17_ReloadEndsLiteSocketsWithinTheDelay(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory lite", "stream_close_delay 600ms", "")))
	s.put("first")
	sockets := s.liteSockets(10)
	old := runningApp()

	began := time.Now()
	require.NoError(t, s.load(s.config("store memory lite", "stream_close_delay 1s", "")))
	fresh := s.liteSockets(1)
	s.dropped(sockets, 10*time.Second)
	require.Less(t, time.Since(began), 5*time.Second)
	s.put("second") // a socket of the new configuration is not ended by the old one's end
	s.hears(fresh, "second")

	// Nothing of the old configuration is left.
	for _, l := range fresh {
		l.Close()
	}
	require.Eventually(t, func() bool { return liteGoroutines() == 0 }, time.Minute, 20*time.Millisecond)
	require.Zero(t, handles()[0].metrics.lite.Active.Load())
	require.Eventually(t, func() bool {
		runtime.GC()
		return old.Value() == nil
	}, 10*time.Second, 50*time.Millisecond, "something holds the old configuration")
}

func TestFailedReloadLeavesLiteSocketsOpen(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()

	s := newTestSite(t)
	config := s.config("store memory litefailed", "stream_close_delay 0s", "")
	require.NoError(t, s.load(config))
	sockets := s.liteSockets(1)
	bad := strings.Replace(string(config), `"listen":[`, `"listen":["`+taken.Addr().String()+`",`, 1)
	require.ErrorContains(t, s.load([]byte(bad)), "bind: address already in use")
	s.put("after")
	s.hears(sockets, "after")
}

func TestLiteSocketsDoNotHoldUpTheEnd(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory liteend", "stream_close_delay 1h", "")))
	sockets := s.liteSockets(2)
	began := time.Now()
	require.NoError(t, caddy.Stop())
	s.dropped(sockets, 5*time.Second)
	require.Less(t, time.Since(began), 5*time.Second, "the store waited for a socket")
	require.Eventually(t, func() bool { return liteGoroutines() == 0 }, time.Minute, 20*time.Millisecond)
}

func TestConfigurationWithoutSyncEndsLiteSockets(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory litegone", "stream_close_delay 1h", "")))
	sockets := s.liteSockets(1)
	require.NoError(t, s.load([]byte(`{"admin":{"disabled":true},"logging":{"logs":{"default":{"writer":{"output":"discard"}}}}}`)))
	s.dropped(sockets, 5*time.Second)
	_, held := stores.References("memory:litegone")
	require.False(t, held)
}

// A handshake that is refused holds nothing.
func TestRefusedLiteHandshakeUsesNothing(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory literefused", "", "")))
	for range 10 {
		_, err := harness.DialLite(t.Context(), "http://"+s.addr+"/notes", harness.LiteOptions{Protocols: []string{"chat"}})
		var refused *harness.HandshakeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, http.StatusBadRequest, refused.Status)
	}
	require.Eventually(t, func() bool { return handles()[0].requests.count() == 0 }, time.Minute, 10*time.Millisecond)
	require.Zero(t, liteGoroutines())
}
