package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const (
	// socketsVariable names the environment variable with the number of sockets.
	socketsVariable = "LITE_SOCKETS"
	// liteCloseDelay is over how long a reload ends the sockets.
	liteCloseDelay = 2 * time.Second
	// litePushers is how many devices push all the time, one document each pace at most.
	litePushers = 6
	// litePace is the pace in microseconds for each of the sockets: all devices together are told
	// of as many documents a second, however many they are. They share the machine with the server.
	litePace = 2500
)

// liteFleet are devices that replicate continuously, through whatever ends their connections.
type liteFleet struct {
	database string
	header   http.Header
	devices  []*liteDevice

	mu        sync.Mutex
	changed   chan struct{}       // closed at the next change of what follows
	acked     map[string]string   // document → body
	drops     map[*liteDevice]int // how often a device lost its connection
	droppedAt []time.Time
	failures  []string
}

// liteDevice is a device of one version of Couchbase Lite, with what it has pulled.
type liteDevice struct {
	fleet   *liteFleet
	version int
	client  string // its checkpoint's ID
	saved   string // the sequence in its checkpoint
	pushes  bool

	// Guarded by fleet.mu.
	current *harness.Lite // nil while it connects
	docs    map[string]string
}

func newLiteFleet(n int, database string, header http.Header) *liteFleet {
	f := &liteFleet{
		database: database, header: header, changed: make(chan struct{}),
		acked: map[string]string{}, drops: map[*liteDevice]int{},
	}

	for i := range n {
		f.devices = append(f.devices, &liteDevice{
			fleet: f, version: liteVersions[i%len(liteVersions)], client: "cp-" + strconv.Itoa(i), pushes: i < litePushers,
			docs: map[string]string{},
		})
	}

	return f
}

// update changes the fleet's state and tells those who wait.
func (f *liteFleet) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()

	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// await waits until the fleet's state is as wanted.
func (f *liteFleet) await(t *testing.T, what string, limit time.Duration, enough func() bool) {
	t.Helper()

	timer := time.NewTimer(limit)
	defer timer.Stop()

	for {
		f.mu.Lock()
		ok, changed := enough(), f.changed
		require.Empty(t, f.failures)
		f.mu.Unlock()

		if ok {
			return
		}

		select {
		case <-changed:
		case <-timer.C:
			require.FailNow(t, what+": not within "+limit.String())
		}
	}
}

// run runs a device until ctx ends. A client of every version comes back when its connection
// was dropped; whatever else happens is a failure.
func (d *liteDevice) run(ctx context.Context, pushing context.Context) {
	for first := true; ctx.Err() == nil; first = false {
		err := d.replicate(ctx, pushing, first)
		if err != nil && ctx.Err() == nil {
			d.fleet.update(func() { d.fleet.failures = append(d.fleet.failures, fmt.Sprintf("%s: %v", d.client, err)) })

			return
		}
	}
}

// replicate is one connection.
func (d *liteDevice) replicate(ctx, pushing context.Context, first bool) error {
	l, err := dialLite(ctx, d.fleet.database, harness.LiteOptions{Version: d.version, Header: d.fleet.header})
	if refused, ok := errors.AsType[*harness.HandshakeError](err); ok && refused.Status == http.StatusServiceUnavailable {
		return nil // it comes back
	}

	if err != nil {
		return err
	}
	defer l.Drop()

	rev, since, err := l.Open(ctx, d.client)
	if err == nil && since != d.saved {
		return fmt.Errorf("it would go on after %q, not after %q", since, d.saved)
	}

	if err == nil {
		err = l.Pull(ctx, since, true)
	}

	if err == nil {
		err = l.Await(ctx, (*harness.LiteState).Idle)
	}

	if err == nil && l.Since() != "" {
		saved := l.Since()
		if _, err = l.SetCheckpoint(ctx, d.client, rev, saved); err == nil {
			d.saved = saved
		}
	}

	if err != nil && !errors.Is(err, blip.ErrClosed) {
		return err
	}

	if first && err != nil {
		return err // nothing ends connections yet
	}

	d.fleet.update(func() { d.current = l })

	if d.pushes {
		d.push(ctx, pushing, l)
	}

	select {
	case <-l.Ended():
	case <-ctx.Done():
		return nil
	}

	d.fleet.update(func() {
		d.keep(l)
		d.current = nil
		d.fleet.drops[d]++
		d.fleet.droppedAt = append(d.fleet.droppedAt, l.EndedAt())
	})

	if l.CloseFrame() {
		return errors.New("a close frame came: the client would stop")
	}

	return nil
}

// keep takes over what a connection pulled. The fleet is locked.
func (d *liteDevice) keep(l *harness.Lite) {
	for id, doc := range l.Docs() {
		d.docs[id] = doc.Body
	}
}

// push pushes new documents until the connection ends, or pushing does. What was not
// acknowledged is left: the test is about what was.
func (d *liteDevice) push(ctx, pushing context.Context, l *harness.Lite) {
	pace := time.NewTicker(time.Duration(max(200, len(d.fleet.devices))*litePace) * time.Microsecond)
	defer pace.Stop()

	for n := 0; ; n++ {
		select {
		case <-pace.C:
		case <-l.Ended():
			return
		case <-pushing.Done():
			return
		}

		body := fmt.Sprintf(`{"by":%q,"n":%d}`, d.client, n)
		id := d.client + "-" + l.NewRev(1)

		switch _, err := l.Push(ctx, id, body); {
		case err == nil:
			d.fleet.update(func() { d.fleet.acked[id] = body })
			// No faster than the server tells all of it.
			_ = l.Await(pushing, func(s *harness.LiteState) bool { _, came := s.Docs[id]; return came })
		case !errors.Is(err, blip.ErrClosed) && ctx.Err() == nil:
			d.fleet.update(func() { d.fleet.failures = append(d.fleet.failures, fmt.Sprintf("%s pushes: %v", d.client, err)) })

			return
		}
	}
}

// connected counts the devices with a connection. The fleet is locked.
func (f *liteFleet) connected() (n int) {
	for _, d := range f.devices {
		if d.current != nil {
			n++
		}
	}

	return n
}

// lacks names a device that lacks a document that was acknowledged, "" if none does. The fleet
// is locked.
func (f *liteFleet) lacks() string {
	for _, d := range f.devices {
		if d.current != nil {
			d.keep(d.current)
		}

		for id, body := range f.acked {
			if d.docs[id] != body {
				return fmt.Sprintf("%s (version %d) has %d documents of %d, and not %s", d.client, d.version, len(d.docs), len(f.acked), id)
			}
		}
	}

	return ""
}

func liteSockets(t *testing.T) int {
	t.Helper()

	text := os.Getenv(socketsVariable)
	if text == "" && raced() {
		return 48
	}

	if text == "" {
		return 201
	}

	n, err := strconv.Atoi(text)
	require.NoError(t, err)

	return n
}

func liteReloadSettings(n int) harness.Settings {
	return harness.Settings{
		Sync:     "stream_close_delay " + liteCloseDelay.String(),
		Database: fmt.Sprintf("limits {\nuser_requests off\nuser_feeds off\nbulk_docs %d\n}", 1000+n),
	}
}

// A reload ends the sockets one after the other; clients of every version come back to the new
// configuration and go on from their checkpoints. DECISIONS 17, reference/blip.md 1.4.
func TestDecision17_LiteSocketsMoveToTheNewConfiguration(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: liteReloadSettings(0)})
	n := liteSockets(t)
	fleet := newLiteFleet(n, server.URL+"/notes", headers(bearer(t, server, "alice")))
	good := server.Caddyfile()

	ctx, stop := context.WithCancel(t.Context())
	pushing, stopPushing := context.WithCancel(ctx)

	var running sync.WaitGroup

	defer running.Wait()
	defer stopPushing()
	defer stop()

	for _, d := range fleet.devices {
		running.Go(func() { d.run(ctx, pushing) })
	}

	fleet.await(t, "connecting", time.Minute, func() bool { return fleet.connected() == n && len(fleet.acked) >= litePushers })

	// A failed reload ends none.
	require.ErrorIs(t, server.Load(t.Context(), strings.Replace(good, "oidc dev\n", "oidc nosuch\n", 1)), harness.ErrRefused)

	for _, d := range fleet.devices {
		requireOpen(t, d.current)
	}

	require.Empty(t, fleet.drops)

	// A good one ends all, spread out.
	require.NoError(t, server.Rewrite(liteReloadSettings(1)))

	began := time.Now()

	require.NoError(t, server.Reload(t.Context()))

	loaded := time.Now()

	fleet.await(t, "coming back", time.Minute, func() bool { return len(fleet.drops) == n && fleet.connected() == n })
	fleet.requireSpread(t, began, loaded)

	// The new configuration's are not ended by the old one's end; they get what is pushed.
	acked := 0
	fleet.await(t, "counting", time.Second, func() bool { acked = len(fleet.acked); return true })
	fleet.await(t, "pushing on", liteLimit, func() bool { return len(fleet.acked) >= acked+litePushers })
	stopPushing()

	lacks := ""

	eventually(t, time.Minute, func() bool {
		fleet.update(func() { lacks = fleet.lacks() })

		return lacks == ""
	})
	fleet.requireStored(t, server)

	// The server's end drops all at once.
	began = time.Now()

	require.NoError(t, server.Stop())

	for _, d := range fleet.devices {
		if l := d.current; l != nil {
			requireDropped(t, l, time.Second)
		}
	}

	stop()
	running.Wait()
	require.Less(t, time.Since(began), 5*time.Second)
}

// requireSpread fails unless the devices lost their connections one after the other, within
// the delay and a second.
func (f *liteFleet) requireSpread(t *testing.T, began, loaded time.Time) {
	t.Helper()

	f.mu.Lock()
	defer f.mu.Unlock()

	for d, drops := range f.drops {
		require.Equal(t, 1, drops, "%s lost its connection more than once", d.client)
	}

	at := f.droppedAt
	slices.SortFunc(at, time.Time.Compare)

	first, last := at[0].Sub(began), at[len(at)-1].Sub(loaded)
	middle := at[len(at)*3/4].Sub(at[len(at)/4])
	t.Logf("%d sockets ended from %v after the reload began to %v after it was done, half of them within %v", len(at), first, last, middle)

	slack := time.Second
	if raced() {
		slack *= 5
	}

	require.Less(t, last, liteCloseDelay+slack, "a socket of the old configuration stayed")
	require.Greater(t, middle, liteCloseDelay/4, "half of the sockets ended at once")
}

// requireStored fails unless REST has every document that a push was acknowledged for.
func (f *liteFleet) requireStored(t *testing.T, server *harness.Server) {
	t.Helper()

	got := ask(t, server, request{url: "/notes/_all_docs?include_docs=true", header: map[string]string{"Authorization": f.header.Get("Authorization")}})
	require.Equal(t, http.StatusOK, got.status, got.body)

	for id, body := range f.acked {
		require.Contains(t, got.body, `"id":"`+id+`"`, "an acknowledged push was lost")
		require.Contains(t, got.body, strings.Trim(body, "{}"))
	}
}
