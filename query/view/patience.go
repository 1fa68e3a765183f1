package view

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/script"
)

const (
	// maxTimeouts is with how many documents one after the other a map function may run out of its
	// time or memory, timeoutRest how long it is not run then.
	maxTimeouts = 50
	timeoutRest = 10 * time.Minute
)

// patience is what there is with a map function that runs out of its time. One that loops would
// take a second of a processor for every document of the database, and users may write views. One that
// fills its memory takes several runs of it (script.Function.Call), and one that loops may be called out of
// memory for what others take meanwhile.
type patience struct {
	most int

	mu       sync.Mutex
	timeouts int // one after the other
	rests    time.Time
	gaveUp   error
}

// tried notes how a call of the function went.
func (p *patience) tried(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !errors.Is(err, script.ErrTimeout) && !errors.Is(err, script.ErrMemory) {
		p.timeouts = 0
		return
	}
	if p.timeouts++; p.timeouts < p.most {
		return
	}
	p.timeouts, p.rests = 0, time.Now().Add(timeoutRest)
	p.gaveUp = &design.Error{Name: design.ErrorFunction, Reason: fmt.Sprintf(
		"the map function ran out of its time or memory with %d documents one after the other: the view is not built before it is changed, or %s have passed", p.most, timeoutRest)}
}

// over returns why the function is not run now, nil if it is.
func (p *patience) over() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gaveUp != nil && time.Now().After(p.rests) {
		p.gaveUp = nil
	}
	return p.gaveUp
}
