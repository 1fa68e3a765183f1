package peer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Replication replicates in one direction. It runs once.
type Replication struct {
	o        Options
	id       string
	client   *http.Client
	progress progress
	named    map[string]bool // the documents that it is limited to; nil: to no documents in particular
	cancel   context.CancelFunc
	done     chan struct{}
	// blamed counts for which revisions sessions ended since the replication last got on, told has those
	// that were given up since then: the next session comes by them again. givenUp counts those that
	// had ended sessions.
	blamed  map[string]int
	told    map[string]bool
	givenUp int
	// left are revisions that were given up, to be tried again.
	left leftBehind
	// paused is how long it waited after the last failure.
	paused time.Duration
	// idled: the session had everything replicated.
	idled bool
}

// Result is what a replication did that has come to its end.
type Result struct {
	SessionID string
	LastSeq   json.RawMessage
	Sessions  []SessionRecord
	NoChanges bool
}

// New makes a replication, without starting it. The local database must be there.
func New(o Options) (*Replication, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	var local Local
	if o.Open != nil {
		var err error
		if local, err = o.Open(); err != nil {
			return nil, err
		}
	}
	r := &Replication{o: o, id: o.id(local), client: newClient(o.Transport), done: make(chan struct{})}
	if len(o.DocIDs) > 0 {
		r.named = make(map[string]bool, len(o.DocIDs))
		for _, id := range o.DocIDs {
			r.named[id] = true
		}
	}
	r.blamed, r.told = make(map[string]int), make(map[string]bool)
	source, target := o.sides()
	r.progress.s = Status{
		ID: r.id, Name: o.Name, Keyspace: o.Keyspace, Direction: o.Direction, Source: source, Target: target,
		Continuous: o.Continuous, Channels: o.Channels, DocIDs: o.DocIDs, State: Starting, Pending: -1, Started: time.Now(), Updated: time.Now(),
	}
	return r, nil
}

// ID names the replication.
func (r *Replication) ID() string { return r.id }

// Status is how it is doing.
func (r *Replication) Status() Status { return r.progress.status() }

// Run replicates until everything is, or if it is continuous until ctx ends. A failure that
// may pass is tried again, from the last checkpoint.
func (r *Replication) Run(ctx context.Context) (*Result, error) {
	defer r.client.CloseIdleConnections()
	var result Result
	for failures := 0; ; {
		before, givenUp, began := r.Status(), r.givenUp, time.Now()
		r.idled = false
		err := r.session(ctx, &result)
		after := r.Status()
		switch {
		case ctx.Err() != nil:
			r.progress.change(func(s *Status) { s.State = Stopped })
			return nil, context.Cause(ctx)
		case err == nil:
			r.progress.change(func(s *Status) { s.State, s.Error, s.Attempts = Completed, "", 0 })
			return &result, nil
		}
		if after.Written > before.Written || string(after.Seq) != string(before.Seq) {
			failures = 0
		}
		if !r.o.Continuous && r.givenUp > givenUp {
			failures = 0 // it comes to its end, however many documents are like that
		}
		if r.idled && time.Since(began) > r.paused {
			failures = 0 // what stands between ends connections on which nothing happens
		}
		failures++
		if !r.o.Continuous && (permanent(err) || failures >= r.o.Attempts) {
			r.progress.change(func(s *Status) { s.State, s.Error, s.Attempts = Failed, err.Error(), failures })
			return nil, err
		}
		if err := r.pause(ctx, failures, err); err != nil {
			r.progress.change(func(s *Status) { s.State = Stopped })
			return nil, err
		}
	}
}

// pause waits after a failure: longer each time, not at the same moment as others.
func (r *Replication) pause(ctx context.Context, failures int, failure error) error {
	delay := r.o.MinDelay << min(failures-1, 20)
	if permanent(failure) {
		delay = max(delay, min(30*r.o.MinDelay, r.o.MaxDelay))
	}
	delay = min(delay, r.o.MaxDelay)
	delay = delay/2 + rand.N(delay/2+1)
	if answer, ok := errors.AsType[*StatusError](failure); ok {
		delay = max(delay, answer.RetryAfter)
	}
	r.paused = delay
	r.progress.change(func(s *Status) {
		s.State, s.Error, s.Attempts, s.Next = Retrying, failure.Error(), failures, time.Now().Add(delay)
	})
	r.log().Warn("replication failed, and goes on later", zap.Error(failure), zap.Int("failures", failures), zap.Duration("in", delay))
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// names reports whether a document is among those that the replication is limited to.
func (r *Replication) names(id string) bool { return r.named == nil || r.named[id] }

// log is the logger with what names the replication.
func (r *Replication) log() *zap.Logger {
	source, target := r.o.sides()
	return r.o.Logger.With(zap.String("replication", cmp.Or(r.o.Name, r.id)), zap.String("source", source), zap.String("target", target))
}
