package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// touchInterval is the shortest time between two writes of the last use of a session
	// in memory (DECISIONS 3), and maxTouchInterval the longest: where no idle limit is so
	// short that more would matter. Only after a crash is the written one used.
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
	writing  map[sessionKey]use // taken out of sessions, and not written yet
	timer    *time.Timer        // until what it began is done
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
	s.writeUse(x, ms, s.touchEvery.Load())
}

// keepUse is called when x goes out of memory, so that its last use does not go with it where that matters.
func (s *State) keepUse(x *session) { s.writeUse(x, x.used.Load(), s.touchLoss.Load()) }

// writeUse has the last use of x written if the one that is written was that much earlier, in milliseconds.
func (s *State) writeUse(x *session, ms, earlier int64) {
	written := x.written.Load()
	if ms <= written || ms-written < earlier || !x.written.CompareAndSwap(written, ms) {
		return
	}
	if !s.touched.add(use{session: x.key, ms: ms, expires: x.recordExpiry()}) {
		x.written.CompareAndSwap(ms, written)
	}
}

// add has a last use written soon; false: too many wait.
func (t *touched) add(u use) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.sessions) >= maxTouched {
		return false
	}
	t.sessions[u.session] = u
	if t.timer != nil && len(t.sessions) == touchEarly && t.timer.Stop() {
		t.timer.Reset(0)
	}
	t.arm(touchDelay)
	return true
}

// arm has what waits written after that time, or when what is being written is. mu is held.
func (t *touched) arm(after time.Duration) {
	if t.timer != nil || t.closed || len(t.sessions) == 0 {
		return
	}
	t.work.Add(1)
	t.timer = time.AfterFunc(after, func() {
		defer t.work.Done()
		t.flush()
	})
}

// lastUse returns a session's last use that waits to be written, in Unix milliseconds; 0 if none does. To be asked before
// the session is read from the store, which has it when it waits no more.
func (t *touched) lastUse(key sessionKey) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.sessions[key].ms, t.writing[key].ms)
}

// keepInUse is touch for a session that something holds which is open for long. Meanwhile it may
// have been read from the store again, and it is that one whose idle limit is looked at; or it went out of memory, and
// will be read again.
func (s *State) keepInUse(x *session, now time.Time) {
	if kept, ok := s.sessions.get(x.key); ok {
		s.touch(kept, now)
		return
	}
	s.touch(x, now)
	s.keepUse(x)
}

// touchBy has last uses written as often as these policies need.
func (s *State) touchBy(policies map[string]*policy) {
	s.touchEvery.Store(touchEvery(policies).Milliseconds())
	s.touchLoss.Store(touchLoss(policies).Milliseconds())
}

// touchEvery is how often a session's last use is written under these policies.
func touchEvery(policies map[string]*policy) time.Duration {
	return min(max(touchLoss(policies), touchInterval), maxTouchInterval)
}

// touchLoss is how much of a session's last use matters to these policies: without an idle limit nothing does.
func touchLoss(policies map[string]*policy) time.Duration {
	loss := time.Duration(math.MaxInt64)
	for _, p := range policies {
		if idle := p.Session.Idle; idle > 0 {
			loss = min(loss, idle/idleParts)
		}
	}
	return loss
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

// flush writes what waits. What cannot be written waits for longer.
func (t *touched) flush() {
	t.mu.Lock()
	list := make([]use, 0, len(t.sessions))
	for _, u := range t.sessions {
		list = append(list, u)
	}
	t.writing, t.sessions = t.sessions, map[sessionKey]use{}
	t.mu.Unlock()
	again := touchDelay
	for len(list) > 0 {
		n := min(len(list), touchBatch)
		if err := t.write(list[:n]); err != nil {
			t.state.logger.Warn("last use of sessions was not stored", zap.Int("sessions", len(list)), zap.Error(err))
			again = touchInterval
			break
		}
		list = list[n:]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range list {
		if _, newer := t.sessions[u.session]; !newer && len(t.sessions) < maxTouched {
			t.sessions[u.session] = u
		}
	}
	t.writing, t.timer = nil, nil
	t.arm(again)
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

// close writes the last uses that are in memory, as many as may wait.
func (t *touched) close() {
	t.state.sessions.each(func(x *session) { t.state.writeUse(x, x.used.Load(), 0) })
	t.mu.Lock()
	t.closed = true
	if t.timer != nil && t.timer.Stop() {
		t.work.Done()
	}
	t.mu.Unlock()
	t.work.Wait()
	t.flush()
}
