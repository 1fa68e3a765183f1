package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// Manager keeps the replications of a server: those of its configuration, those that were
// asked for to go on, and those that somebody waits for.
type Manager struct {
	logger *zap.Logger

	mu      sync.Mutex
	closed  bool
	running map[string]*Replication // by ID
	// configured are in the order of the configuration, those that came to an end too.
	configured []*Replication
	// ended is what those did that are no longer running.
	ended Work
	group sync.WaitGroup
}

// NewManager makes a manager without replications.
func NewManager(logger *zap.Logger) *Manager {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &Manager{logger: logger, running: make(map[string]*Replication)}
}

// Configure replaces the replications of the configuration: the former are stopped, and have
// stopped when the new ones begin, and so has one that somebody asked for and that is the same: it would end some
// day, and nobody would begin the configured one then. A replication that cannot begin is an error, and the others begin
// nevertheless.
func (m *Manager) Configure(all []Options) error {
	m.mu.Lock()
	former := m.configured
	m.configured = nil
	m.mu.Unlock()
	for _, r := range former {
		m.stop(r)
	}
	var failed error
	for _, o := range all {
		r, err := m.Start(o)
		for errors.Is(err, ErrRunning) && !m.isConfigured(r) {
			m.stop(r)
			r, err = m.Start(o)
		}
		if err != nil {
			failed = fmt.Errorf("replicate %s: %w", o.Name, err)
			continue
		}
		m.mu.Lock()
		m.configured = append(m.configured, r)
		m.mu.Unlock()
	}
	return failed
}

func (m *Manager) isConfigured(r *Replication) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.configured, r)
}

// Start begins a replication and does not wait for it. ErrRunning, with the replication that
// is running.
func (m *Manager) Start(o Options) (*Replication, error) {
	r, ctx, err := m.enter(context.Background(), o)
	if err != nil {
		return r, err
	}
	go func() {
		defer m.leave(r)
		if _, err := r.Run(ctx); err != nil && ctx.Err() == nil {
			r.log().Error("replication failed", zap.Error(err))
		}
	}()
	return r, nil
}

// Run does a replication and waits for its end. ErrRunning.
func (m *Manager) Run(ctx context.Context, o Options) (*Result, error) {
	r, ctx, err := m.enter(ctx, o)
	if err != nil {
		return nil, err
	}
	defer m.leave(r)
	return r.Run(ctx)
}

func (m *Manager) enter(ctx context.Context, o Options) (*Replication, context.Context, error) {
	if o.Logger == nil {
		o.Logger = m.logger
	}
	r, err := New(o)
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, ErrClosed
	}
	if other, ok := m.running[r.id]; ok {
		return other, nil, ErrRunning
	}
	ctx, r.cancel = context.WithCancel(ctx)
	m.running[r.id] = r
	m.group.Add(1)
	return r, ctx, nil
}

func (m *Manager) leave(r *Replication) {
	r.cancel()
	m.mu.Lock()
	delete(m.running, r.id)
	m.ended.add(r.Status())
	m.mu.Unlock()
	close(r.done)
	m.group.Done()
}

func (m *Manager) stop(r *Replication) {
	r.cancel()
	<-r.done
}

// Cancel stops a replication, by its ID, and reports whether it was running.
func (m *Manager) Cancel(id string) bool {
	m.mu.Lock()
	r, ok := m.running[id]
	m.mu.Unlock()
	if ok {
		m.stop(r)
	}
	return ok
}

// List tells how the replications are doing: all that are running, and those of the
// configuration that have ended.
func (m *Manager) List() []Status {
	m.mu.Lock()
	all := slices.Clone(m.configured)
	for _, r := range m.running {
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	m.mu.Unlock()
	list := make([]Status, len(all))
	for i, r := range all {
		list[i] = r.Status()
	}
	slices.SortFunc(list, func(a, b Status) int {
		return strings.Compare(a.Keyspace+"\x00"+a.Name+"\x00"+a.ID, b.Keyspace+"\x00"+b.Name+"\x00"+b.ID)
	})
	return list
}

// Close stops all replications, and takes no more.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	for _, r := range m.running {
		r.cancel()
	}
	m.mu.Unlock()
	m.group.Wait()
}
