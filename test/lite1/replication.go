package lite1

import (
	"context"
	"fmt"
	"sync"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// Config says what is replicated.
type Config struct {
	URL  string // of the database
	Push bool   // or else pull
	// CreateTarget makes the database if it is not there.
	CreateTarget bool
	Channels     []string
	DocIDs       []string
	// User and Password go with each request; with Login instead, a sign-in by OpenID Connect
	// begins the replication: it is given the provider's address, and returns where the
	// provider sent the user at the end.
	User, Password string
	Login          func(address string) (back string, err error)

	// CouchDB has the device pay no heed to what the server calls itself: so 1.x speaks with a
	// server that is not Sync Gateway, or is behind a proxy that hides it.
	CouchDB bool

	continuous bool
	state      *state
}

// state is what a continuous replication tells.
type state struct {
	mu     sync.Mutex
	idle   int
	closed []websocket.StatusCode
	over   bool
	err    error
}

func (c *Config) idle(d *Device) {
	c.tell(d, func(s *state) { s.idle++ })
}

func (c *Config) closed(d *Device, code websocket.StatusCode) {
	c.tell(d, func(s *state) { s.closed = append(s.closed, code) })
}

func (c *Config) tell(d *Device, change func(*state)) {
	if c.state == nil {
		return
	}
	c.state.mu.Lock()
	change(c.state)
	c.state.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tell()
}

// Sync replicates once.
func (d *Device) Sync(c Config) {
	d.t.Helper()
	require.NoError(d.t, d.TrySync(c))
}

// TrySync replicates once, and returns what 1.x would tell the app as the last error.
func (d *Device) TrySync(c Config) error {
	return d.replicate(d.t.Context(), c)
}

// replicate is the order of all that a replication asks.
func (d *Device) replicate(ctx context.Context, c Config) error {
	r := newRemote(d, &c)
	if err := r.signIn(ctx); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	at := newCheckpoint(r)
	if err := at.fetch(ctx); err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	if c.Push {
		return (&push{remote: r, at: at}).run(ctx)
	}
	return (&pull{remote: r, at: at}).run(ctx)
}

// Replication is a continuous one.
type Replication struct {
	device *Device
	config *Config
	stop   context.CancelFunc
	over   chan struct{}
}

// Start begins a continuous replication.
func (d *Device) Start(c Config) *Replication {
	d.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(d.t.Context()))
	c.continuous, c.state = true, new(state)
	r := &Replication{device: d, config: &c, stop: stop, over: make(chan struct{})}
	go func() {
		defer close(r.over)
		err := d.replicate(ctx, c)
		if ctx.Err() != nil {
			err = nil
		}
		if err != nil {
			d.note("over: " + err.Error())
		}
		c.tell(d, func(s *state) { s.over, s.err = true, err })
	}()
	d.t.Cleanup(r.Stop)
	return r
}

// Stop ends it, as the app does.
func (r *Replication) Stop() {
	r.stop()
	<-r.over
}

// AwaitIdle waits until it has told n times that there is nothing left to do.
func (r *Replication) AwaitIdle(n int) {
	r.device.t.Helper()
	r.device.Await("idle", func() bool {
		s := r.config.state
		s.mu.Lock()
		defer s.mu.Unlock()
		require.NoError(r.device.t, s.err)
		return s.idle >= n
	})
}

// AwaitError waits until it gives up, and returns why.
func (r *Replication) AwaitError() error {
	r.device.t.Helper()
	var err error
	r.device.Await("the end of the replication", func() bool {
		s := r.config.state
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.err
		return s.over
	})
	return err
}

// AwaitClosed waits until the server has closed its WebSocket, and returns the codes.
func (r *Replication) AwaitClosed() []websocket.StatusCode {
	r.device.t.Helper()
	var codes []websocket.StatusCode
	r.device.Await("a closed WebSocket", func() bool {
		s := r.config.state
		s.mu.Lock()
		defer s.mu.Unlock()
		codes = s.closed
		return len(codes) > 0
	})
	return codes
}

// StatusOf is the status of an answer that a replication failed with, 0 for other errors.
func StatusOf(err error) int { return statusOf(err) }

func (d *Device) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.docs) == 0
}
