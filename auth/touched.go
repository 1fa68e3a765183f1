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
	// touchEarly is how many are not kept waiting for more.
	touchEarly = 8 * touchBatch
	// maxTouched is how many wait at most. More say that the store cannot keep up; they
	// come again with the session's next use.
	maxTouched = 1 << 16
)

// touched are the sessions whose last use is to be written.
type touched struct {
	state *State

	mu       sync.Mutex
	sessions map[sessionKey]int64 // Unix milliseconds of the last use
	timer    *time.Timer
	closed   bool
	work     sync.WaitGroup
}

func (t *touched) init(s *State) {
	t.state, t.sessions = s, map[sessionKey]int64{}
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
	if len(t.sessions) >= maxTouched {
		x.written.CompareAndSwap(ms, written)
		return
	}
	t.sessions[x.key] = ms
	if t.timer != nil && len(t.sessions) == touchEarly && t.timer.Stop() {
		t.timer.Reset(0)
	}
	if t.timer == nil {
		t.work.Add(1)
		t.timer = time.AfterFunc(touchDelay, func() {
			defer t.work.Done()
			t.flush()
		})
	}
}

// use is a session's last use, in Unix milliseconds.
type use struct {
	session sessionKey
	ms      int64
}

func (t *touched) flush() {
	t.mu.Lock()
	list := make([]use, 0, len(t.sessions))
	for key, ms := range t.sessions {
		list = append(list, use{key, ms})
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

func (t *touched) write(list []use) error {
	ctx, cancel := context.WithTimeout(t.state.ctx, 30*time.Second)
	defer cancel()
	// No event: nothing became stale.
	return t.state.records.Update(ctx, func(rtx syncstore.RecordTx) error {
		tx := &transaction{RecordTx: rtx, state: t.state}
		for _, u := range list {
			stored, err := readSession(tx, u.session)
			if err != nil {
				return err
			}
			if stored == nil || stored.Used >= u.ms {
				continue // ended meanwhile: it must not come back
			}
			stored.Used = u.ms
			if err := tx.putJSON(0, sessionRecordKey(u.session), stored, stored.recordExpiry()); err != nil {
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
