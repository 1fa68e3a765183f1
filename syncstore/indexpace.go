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
	// somebody writes: writers are not to feel it. After each indexPatience it is half of that, but
	// not less than indexLeastRest: who writes all the time must not keep an index from being built.
	indexRest      = 48
	indexPatience  = time.Minute
	indexLeastRest = 3
	// indexFollows is how many sequences an index may be behind that only follows: who asks after
	// some writes is answered soon.
	indexFollows = 5000
)

// indexPace slows a building down while others write.
type indexPace struct {
	committer *committer
	asked     uint64
	busy      bool
	begun     time.Time
	took      time.Duration // the last page
	since     time.Time     // somebody writes
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

// mapped is called when a page is ready.
func (p *indexPace) mapped() { p.took = time.Since(p.begun) }

// rest waits after a page, with so many sequences to go.
func (p *indexPace) rest(ctx context.Context, left uint64) {
	if !p.busy {
		p.since = time.Time{}
		return
	}
	if p.since.IsZero() {
		p.since = p.begun
	}
	timer := time.NewTimer(restAfter(p.took, p.begun.Sub(p.since), left))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// restAfter is how long the building rests after a page that took so long, when others have been
// writing for so long and so many sequences are left.
func restAfter(page, writing time.Duration, left uint64) time.Duration {
	if left <= indexFollows {
		return page * indexLeastRest
	}
	return page * time.Duration(max(indexRest>>(writing/indexPatience), indexLeastRest))
}
