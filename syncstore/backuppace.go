package syncstore

import (
	"context"
	"time"
)

const (
	// paceKeys and paceBytes are after how many keys, or bytes, a backup looks at the time: some
	// tens of microseconds.
	paceKeys  = 16
	paceBytes = 32 << 10
	// paceWork is how long it works at once, about, while others use the store.
	paceWork = 500 * time.Microsecond
	// paceRest is how many times as long as it worked it rests then. A machine with two cores at
	// half load has one to spare, and who reads is to wait for neither.
	paceRest = 6
	// paceLongest is how long it rests at most: a piece can take long because the machine is busy.
	paceLongest = 20 * time.Millisecond
	// paceMemory is how long after they asked others are thought to use the store.
	paceMemory = 100 * time.Millisecond
)

// backupPace has a backup rest while others use the store, so that they do not wait for it. While
// nobody does it works without a rest.
type backupPace struct {
	asked func() uint64 // how often the store was asked, the backup aside

	seen  uint64
	heard time.Time // when others were last seen to ask
	begun time.Time // when the work since the last rest was begun
	keys  int
	bytes int
}

// newBackupPace begins to count.
func newBackupPace(asked func() uint64) *backupPace {
	return &backupPace{asked: asked, seen: asked(), begun: time.Now()}
}

// did tells of a key that was done with its value, and rests if it is time to.
func (p *backupPace) did(ctx context.Context, size int) {
	p.keys++
	p.bytes += size
	if p.keys < paceKeys && p.bytes < paceBytes {
		return
	}
	p.keys, p.bytes = 0, 0
	now := time.Now()
	worked := now.Sub(p.begun)
	if worked < paceWork {
		return
	}
	if asked := p.asked(); asked != p.seen {
		p.seen, p.heard = asked, now
	}
	if !p.heard.IsZero() && now.Sub(p.heard) < paceMemory {
		select {
		case <-ctx.Done():
		case <-time.After(min(paceRest*worked, paceLongest)):
		}
	}
	p.begun = time.Now()
}
