package rest

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// errFeedEnded says that a feed has to end now, with a complete body.
var errFeedEnded = errors.New("feed ended")

// heldLease is an *auth.Lease.
type heldLease interface {
	Done() <-chan struct{}
	Close()
}

// feedLease sees to it that a feed does not outlive its principal (DECISIONS 38). A
// feed that waits holds the lease itself; one that is only slow gets it after a second.
// It costs no goroutine, except while a write to a client that does not read is stuck:
// only then somebody else has to notice the end, and cut the connection.
type feedLease struct {
	take func() (heldLease, error)
	// cut makes a stuck write fail.
	cut     func()
	started time.Time
	// patience is how long a write may be stuck; 0: for as long as the server's limits let it.
	patience time.Duration
	// Live feeds end also with the server and with the database.
	stopping, gone <-chan struct{}

	mu      sync.Mutex
	held    heldLease
	closed  bool
	timer   *time.Timer
	writing bool
	written chan struct{} // not nil while a stuck write is watched
}

func newFeedLease(rq *request, take func() (heldLease, error)) *feedLease {
	control := http.NewResponseController(rq.w)
	return &feedLease{take: take, started: rq.started, cut: func() {
		_ = control.SetWriteDeadline(time.Unix(1, 0)) // where it cannot, the server's own limits hold
	}}
}

// hold takes the lease, if it is not held already.
func (l *feedLease) hold() error {
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()
	if held != nil {
		return nil
	}
	held, err := l.take()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.held != nil { // a stuck write has been watched meanwhile
		held.Close()
		return nil
	}
	l.held = held
	return nil
}

// done is closed when the lease ends; nil without one.
func (l *feedLease) done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	return l.held.Done()
}

// check returns errFeedEnded if the feed has to end, and takes the lease if the feed has
// been open for a second.
func (l *feedLease) check() error {
	if time.Since(l.started) >= leaseAfter {
		if err := l.hold(); err != nil {
			return err
		}
	}
	select {
	case <-l.done():
	case <-l.stopping:
	case <-l.gone:
	default:
		return nil
	}
	return errFeedEnded
}

// beginWrite and endWrite stand around each write to the client.
func (l *feedLease) beginWrite() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = true
	if l.timer == nil {
		l.timer = time.AfterFunc(leaseAfter, l.watchWrite)
		return
	}
	l.timer.Reset(leaseAfter)
}

func (l *feedLease) endWrite() {
	l.timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
}

// rest gives back what only writes need, before the feed waits.
func (l *feedLease) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil && !l.writing {
		l.timer.Stop()
		l.timer = nil
	}
}

// watchWrite runs when a write is stuck.
func (l *feedLease) watchWrite() {
	l.mu.Lock()
	if !l.writing || l.written != nil {
		l.mu.Unlock()
		return
	}
	written := make(chan struct{})
	l.written = written
	l.mu.Unlock()
	var late <-chan time.Time
	if l.patience > 0 {
		timer := time.NewTimer(l.patience)
		defer timer.Stop()
		late = timer.C
	}
	if l.hold() == nil {
		select {
		case <-written:
			return
		case <-late:
		case <-l.done():
		case <-l.stopping:
		case <-l.gone:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written == written { // still the same write; the connection is not yet another's
		l.cut()
	}
}

// close gives the lease back.
func (l *feedLease) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.held != nil {
		l.held.Close()
		l.held = nil
	}
}
