package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// touchInterval is the shortest time between two writes of a session's last use
	// (DECISIONS 3), and maxTouchInterval the longest: where no idle limit is so short that
	// more would matter. Only after a crash is the written one used.
	touchInterval    = time.Minute
	maxTouchInterval = 10 * touchInterval
	// idleParts is how many times a last use may be written within the shortest idle limit.
	idleParts = 60
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
	sessions map[sessionKey]use
	timer    *time.Timer
	closed   bool
	work     sync.WaitGroup
}

func (t *touched) init(s *State) {
	t.state, t.sessions = s, map[sessionKey]use{}
}

// touch notes that x is in use. It costs two atomic reads unless a write is due.
func (s *State) touch(x *session, now time.Time) {
	ms := now.UnixMilli()
	if ms-x.used.Load() < time.Second.Milliseconds() {
		return
	}
	x.used.Store(ms)
	written := x.written.Load()
	if ms-written < s.touchEvery.Load() || !x.written.CompareAndSwap(written, ms) {
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
	t.sessions[x.key] = use{session: x.key, ms: ms, expires: x.recordExpiry()}
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

// keepInUse is touch for a session that something holds which is open for long. Meanwhile it may
// have been read from the store again, and it is that one whose idle limit is looked at.
func (s *State) keepInUse(x *session, now time.Time) {
	if kept, ok := s.sessions.get(x.key); ok {
		x = kept
	}
	s.touch(x, now)
}

// touchEvery is how often a session's last use is written under these policies.
func touchEvery(policies map[string]*policy) time.Duration {
	every := maxTouchInterval
	for _, p := range policies {
		if idle := p.Session.Idle; idle > 0 {
			every = min(every, idle/idleParts)
		}
	}
	return max(every, touchInterval)
}

// use is a session's last use. It is stored beside the session, so that writing it, which
// is the most frequent write that a signed-in reader causes, reads and encodes nothing.
type use struct {
	session sessionKey
	ms      int64 // Unix milliseconds
	expires time.Time
}

const sessionUsedPrefix = "auth/session-used/"

func sessionUsedKey(k sessionKey) []byte { return append([]byte(sessionUsedPrefix), k[:]...) }

// readLastUse returns a session's last use in Unix milliseconds; ok is false if it was not
// used since it was made.
func readLastUse(r syncstore.RecordReader, key sessionKey) (ms int64, ok bool, err error) {
	value, err := r.Get(0, sessionUsedKey(key))
	switch {
	case errors.Is(err, syncstore.ErrNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case len(value) != 8:
		return 0, false, fmt.Errorf("%w: last use of a session", syncstore.ErrDamaged)
	}
	return int64(binary.BigEndian.Uint64(value)), true, nil
}

func (t *touched) flush() {
	t.mu.Lock()
	list := make([]use, 0, len(t.sessions))
	for _, u := range t.sessions {
		list = append(list, u)
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
	// No event: nothing became stale. A session that ended meanwhile leaves a record that
	// nothing reads, until the session would have expired.
	return t.state.records.Update(ctx, func(tx syncstore.RecordTx) error {
		for _, u := range list {
			value := binary.BigEndian.AppendUint64(nil, uint64(u.ms))
			tx.Put(0, sessionUsedKey(u.session), value, u.expires)
		}
		return nil
	})
}

// forget drops a session that ended.
func (t *touched) forget(key sessionKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, key)
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
