package syncstore

import (
	"context"
	"time"
)

const (
	// indexPage is how many documents are mapped at once while nobody writes, and indexPageBusy
	// while somebody does: then the processors and the committer are wanted elsewhere.
	indexPage     = 800
	indexPageBusy = 20
	// indexRest is how many times as long as a page took the building rests after it while
	// somebody writes.
	indexRest = 24
)

// indexPace slows a building down while others write.
type indexPace struct {
	committer *committer
	asked     uint64
	busy      bool
	begun     time.Time
}

// begin is how many documents the next page may have. The first one is small, whoever writes: a
// build often begins a moment before the writes do that a client sends along with the query.
func (p *indexPace) begin() int {
	asked := p.committer.asked.Load()
	first := p.begun.IsZero()
	p.busy = p.committer.askedLately() || !first && asked != p.asked
	p.asked = asked
	p.begun = time.Now()
	if p.busy || first {
		return indexPageBusy
	}
	return indexPage
}

// rest waits after a page.
func (p *indexPace) rest(ctx context.Context) {
	if !p.busy {
		return
	}
	timer := time.NewTimer(indexRest * time.Since(p.begun))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
