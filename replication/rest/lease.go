package rest

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/auth"
)

// leaseAfter is how long an answer may be open without a lease (DECISIONS 38).
const leaseAfter = time.Second

// lease takes the lease that a long response must hold; the caller closes it.
func (h *Handler) lease(rq *request) (*auth.Lease, error) {
	lease, err := h.auth.Lease(rq.r.Context(), rq.principal)
	if err != nil {
		return nil, fmt.Errorf("taking a lease: %w", err)
	}
	return lease, nil
}

// guard watches over a transfer that may take long: after a second it takes a lease,
// and when that ends it cuts the connection. A nil guard watches nothing.
type guard struct {
	take    func() (heldLease, error)
	control *http.ResponseController
	timer   *time.Timer
	over    chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex
	err error
}

// guard begins to watch; stop must be called before the handler returns.
func (h *Handler) guard(rq *request) *guard {
	take := func() (heldLease, error) { return h.take(rq) }
	rq.guard = newGuard(take, http.NewResponseController(rq.w), rq.started)
	return rq.guard
}

func newGuard(take func() (heldLease, error), control *http.ResponseController, started time.Time) *guard {
	g := &guard{take: take, control: control, over: make(chan struct{})}
	g.running.Add(1)
	g.timer = time.AfterFunc(max(0, leaseAfter-time.Since(started)), g.watch)
	return g
}

func (g *guard) watch() {
	defer g.running.Done()
	lease, err := g.take()
	if err != nil {
		g.end(err)
		return
	}
	defer lease.Close()
	select {
	case <-lease.Done():
		g.end(loginRequired())
	case <-g.over:
	}
}

// end makes check fail and wakes up a read or a write that is under way.
func (g *guard) end(err error) {
	g.mu.Lock()
	g.err = err
	g.mu.Unlock()
	select {
	case <-g.over:
		return // the connection may soon be another request's
	default:
	}
	now := time.Now()
	_ = g.control.SetReadDeadline(now)                   // not every writer can; check is enough then
	_ = g.control.SetWriteDeadline(now.Add(time.Second)) // leaves time for a 401
}

// check returns why the transfer must end, or nil.
func (g *guard) check() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// stop ends the watch and waits for it.
func (g *guard) stop() {
	close(g.over)
	if !g.timer.Stop() {
		g.running.Wait()
	}
}
