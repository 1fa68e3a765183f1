package rest

import (
	"context"
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
	h      *Handler
	rq     *request
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu  sync.Mutex
	err error
}

// guard begins to watch; stop must be called before the handler returns.
func (h *Handler) guard(rq *request) *guard {
	ctx, cancel := context.WithCancel(rq.r.Context())
	g := &guard{h: h, rq: rq, cancel: cancel}
	g.done.Add(1)
	timer := time.AfterFunc(leaseAfter-min(time.Since(rq.started), leaseAfter), func() {
		defer g.done.Done()
		g.watch(ctx)
	})
	context.AfterFunc(ctx, func() {
		if timer.Stop() {
			g.done.Done()
		}
	})
	return g
}

func (g *guard) watch(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	lease, err := g.h.lease(g.rq)
	if err != nil {
		g.end(ctx, err)
		return
	}
	defer lease.Close()
	select {
	case <-lease.Done():
		g.end(ctx, loginRequired())
	case <-ctx.Done():
	}
}

// end makes check fail and wakes up a read or a write that is under way.
func (g *guard) end(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // the transfer is over
	}
	g.mu.Lock()
	g.err = err
	g.mu.Unlock()
	control := http.NewResponseController(g.rq.w)
	now := time.Now()
	_ = control.SetReadDeadline(now)                   // not every writer can; check is enough then
	_ = control.SetWriteDeadline(now.Add(time.Second)) // leaves time for the 401
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
	g.cancel()
	g.done.Wait()
}
