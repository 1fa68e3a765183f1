package auth

import (
	"context"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// touchInterval is the shortest time between two writes of a session's last use
	// (DECISIONS 3).
	touchInterval = time.Minute
	// touchDelay gathers sessions into one transaction.
	touchDelay = 5 * time.Second
	// touchBatch is how many sessions one transaction writes.
	touchBatch = 500
)

// touched are the sessions whose last use is to be written.
type touched struct {
	state *State

	mu       sync.Mutex
	sessions map[sessionKey]*session
	timer    *time.Timer
	closed   bool
	work     sync.WaitGroup
}

func (t *touched) init(s *State) {
	t.state, t.sessions = s, map[sessionKey]*session{}
}

// touch notes that x is in use. It costs two atomic reads unless a write is due.
func (s *State) touch(x *session, now time.Time) {
	ms := now.UnixMilli()
	if ms-x.used.Load() < time.Second.Milliseconds() {
		return
	}
	x.used.Store(ms)
	written := x.written.Load()
	if ms-written < touchInterval.Milliseconds() || !x.written.CompareAndSwap(written, ms) {
		return
	}
	t := &s.touched
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.sessions[x.key] = x
	if t.timer == nil {
		t.work.Add(1)
		t.timer = time.AfterFunc(touchDelay, func() {
			defer t.work.Done()
			t.flush()
		})
	}
}

func (t *touched) flush() {
	t.mu.Lock()
	list := make([]*session, 0, len(t.sessions))
	for _, x := range t.sessions {
		list = append(list, x)
	}
	clear(t.sessions)
	t.timer = nil
	t.mu.Unlock()
	for len(list) > 0 {
		n := min(len(list), touchBatch)
		if err := t.write(list[:n]); err != nil {
			t.state.logger.Warn("last use of sessions was not stored", zap.Int("sessions", n), zap.Error(err))
		}
		list = list[n:]
	}
}

func (t *touched) write(list []*session) error {
	ctx, cancel := context.WithTimeout(t.state.ctx, 30*time.Second)
	defer cancel()
	// No event: nothing became stale.
	return t.state.records.Update(ctx, func(rtx syncstore.RecordTx) error {
		tx := &transaction{RecordTx: rtx, state: t.state}
		for _, x := range list {
			stored, err := readSession(tx, x.key)
			if err != nil {
				return err
			}
			if stored == nil || stored.Used >= x.used.Load() {
				continue // ended meanwhile: it must not come back
			}
			stored.Used = x.used.Load()
			if err := tx.putJSON(0, sessionRecordKey(x.key), stored, stored.recordExpiry()); err != nil {
				return err
			}
		}
		return nil
	})
}

// close writes what is left.
func (t *touched) close() {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil && t.timer.Stop() {
		t.work.Done()
	}
	t.mu.Unlock()
	t.work.Wait()
	t.flush()
}
