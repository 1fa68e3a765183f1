package test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// hostilePeer is a client that sends what no client sends.
type hostilePeer struct {
	*harness.RawSocket

	t *testing.T
}

// newHostilePeer connects one. It reads and throws away, or does not even read.
func newHostilePeer(t *testing.T, s *harness.Server, reads bool) *hostilePeer {
	t.Helper()

	raw, err := harness.DialRaw(t.Context(), s.URL+"/open", reads)
	require.NoError(t, err)
	t.Cleanup(raw.Close)

	return &hostilePeer{raw, t}
}

// frame sends a frame and tells whether the connection is still there.
func (p *hostilePeer) frame(number uint64, flags byte, content []byte) bool {
	return p.Frame(number, flags, content, hostileLimit()) == nil
}

// message sends any message of the WebSocket.
func (p *hostilePeer) message(opcode byte, b []byte) bool {
	return p.Message(opcode, b, hostileLimit()) == nil
}

// requireEnd fails unless the server ends the connection in time.
func (p *hostilePeer) requireEnd() {
	p.t.Helper()

	_ = p.Flush() // if it is over, so much the better

	select {
	case <-p.Ended():
	case <-time.After(hostileLimit()):
		require.FailNow(p.t, "the connection goes on")
	}
}

// requireAlive fails unless the server answers a request, whose number is its next.
func (p *hostilePeer) requireAlive(number uint64) {
	p.t.Helper()

	before := p.Frames()

	require.True(p.t, p.frame(number, harness.FrameRequest, harness.RawMessage("", "Profile", "PING")))
	require.NoError(p.t, p.Flush())
	eventually(p.t, hostileLimit(), func() bool { return p.Frames() > before })
}

var residentSet = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// resident is the memory that the server's process takes.
func resident(s *harness.Server) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0, err
	}

	found := residentSet.FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("no VmRSS in %s", status)
	}

	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)

	return kilobytes << 10, err
}

// attacked is the server of the test.
type attacked struct {
	*harness.Server

	honest *harness.Lite
	worked int64 // the memory that it took for honest work
	writes int
}

// withstand runs an attack. Meanwhile an honest client goes on pushing, and the server's
// memory is looked at. attack returns when it has done what it can.
func (a *attacked) withstand(t *testing.T, attack func(t *testing.T)) {
	t.Helper()

	before, err := resident(a.Server)
	require.NoError(t, err)

	// A server that was quiet has given back what it takes for honest work, too.
	before = max(before, a.worked)

	watch := &attackWatch{most: before, done: make(chan struct{})}
	watch.running.Go(func() { watch.run(t, a) })

	began := time.Now()

	func() {
		defer watch.running.Wait()
		defer close(watch.done)

		attack(t)
	}()

	took := time.Since(began)
	t.Logf("took %v; %.1f MiB more than %.1f MiB before; an honest push took %v at most", took.Round(time.Millisecond),
		float64(watch.most-before)/(1<<20), float64(before)/(1<<20), watch.slowest.Round(time.Millisecond))
	require.NoError(t, watch.err, "the honest client was disturbed")

	if !raced() {
		require.Less(t, watch.most-before, int64(hostileRoom))
	}

	require.Less(t, took, 3*hostileLimit())
}

// attackWatch is what an attack did to the server and an honest client.
type attackWatch struct {
	running sync.WaitGroup
	done    chan struct{}
	most    int64
	slowest time.Duration
	err     error
}

func (w *attackWatch) run(t *testing.T, a *attacked) {
	t.Helper()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for w.err == nil {
		var now int64

		if now, w.err = resident(a.Server); w.err != nil {
			return
		}

		w.most = max(w.most, now)
		a.writes++

		began := time.Now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hostileLimit())
		_, w.err = a.honest.Push(ctx, fmt.Sprintf("honest-%d", a.writes), `{}`)

		cancel()

		w.slowest = max(w.slowest, time.Since(began))

		select {
		case <-w.done:
			return
		case <-tick.C:
		}
	}
}

// awaitReplications waits until there are n.
func (a *attacked) awaitReplications(t *testing.T, n float64) {
	t.Helper()
	eventually(t, 3*hostileLimit(), func() bool { return liteMetrics(t, a.Server)["caddy_sync_lite_replications"] == n })
}

// settled waits until the server has sent its clients what it can.
func (a *attacked) settled(t *testing.T) {
	t.Helper()

	last, same := float64(-1), 0

	eventually(t, 2*hostileLimit(), func() bool {
		sent := liteMetrics(t, a.Server)[`caddy_sync_lite_bytes_total{direction="out"}`]
		if same++; sent-last > 16<<10 { // the honest client's is less
			same = 0
		}

		last = sent

		return same > 10
	})
}
