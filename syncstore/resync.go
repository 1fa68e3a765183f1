package syncstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

const (
	// resyncPage is how many documents are looked at between two commits.
	resyncPage = 100
	// resyncAgain is how long a resync pauses after a failure of the store.
	resyncAgain = time.Second
)

// StartResync begins to judge all documents of the collection by its policy of now, in the
// background and while reads and writes go on, so that they are in the channels and make
// the grants that it says. Only documents for which that changes something get a new
// sequence. It goes on after a restart. ErrResyncRunning, ErrNoDatabase.
//
// The policy sees a document as it is, and as its own oldDoc unless it is a first revision:
// what it says of changes from one revision to the next is not asked. Its checks of the
// writer pass. A document that it refuses is in no channel. A collection that the configuration does not have has no
// policy that says where its documents belong: ErrUnavailable, and a resync that runs waits until it is back.
func (c *Collection) StartResync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.resyncing.Lock()
	defer c.resyncing.Unlock()
	if c.resync != nil {
		return ErrResyncRunning
	}
	moves := c.policyMoves.Load()
	before, err := c.readResync(ctx)
	if err != nil {
		return fmt.Errorf("starting a resync: %w", err)
	}
	policy := c.policy.Load()
	if policy.Closed {
		return errNotConfigured
	}
	version := policy.Version
	state := resyncState{
		ResyncStatus: ResyncStatus{State: ResyncRunning, Started: c.store.options.Now().UTC().Truncate(time.Second)},
		Version:      version, Judged: severalVersions,
		All: version == SharedVersion && !before.judgedBy(version),
	}
	if err := c.saveResync(state, false); err != nil {
		return fmt.Errorf("starting a resync: %w", err)
	}
	c.runResync(state, moves)
	return nil
}

// StopResync ends a resync that is running; another StartResync begins anew. It reports whether there was one that did not
// come to its end by itself meanwhile.
func (c *Collection) StopResync(ctx context.Context) (stopped bool, err error) {
	c.resyncing.Lock()
	run := c.resync
	c.resyncing.Unlock()
	if run == nil {
		return false, nil
	}
	run.stop()
	select {
	case <-run.done:
		return run.progress.Load().State == ResyncStopped, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// ResyncStatus says how far the resync is that was started last.
func (c *Collection) ResyncStatus(ctx context.Context) (ResyncStatus, error) {
	c.resyncing.Lock()
	run := c.resync
	c.resyncing.Unlock()
	if run != nil {
		return *run.progress.Load(), nil
	}
	state, err := c.readResync(ctx)
	return state.ResyncStatus, err
}

// PolicyChanged reports whether documents may be in other channels than the collection's
// policy puts them into: they were judged by another version of it. A collection without
// documents follows its policy.
func (c *Collection) PolicyChanged(ctx context.Context) (bool, error) {
	return c.judgedOtherwise(ctx, c.policy.Load().Version)
}

func (c *Collection) judgedOtherwise(ctx context.Context, version string) (bool, error) {
	if c.empty() {
		return false, c.adoptPolicy(version)
	}
	state, err := c.readResync(ctx)
	return !state.judgedBy(version), err
}

// notePolicy notes that documents may be judged by several policies since one was set, so that
// coming back to an earlier one does not make all of them right.
func (c *Collection) notePolicy(version string) {
	changed, err := c.judgedOtherwise(c.store.ctx, version)
	if err == nil && changed {
		err = c.adoptPolicy(severalVersions)
	}
	if err != nil && c.store.ctx.Err() == nil {
		c.store.logger.Warn("a change of policy was not noted", zap.String("database", c.db.name),
			zap.Stringer("collection", c.id), zap.Error(err))
	}
}

func (c *Collection) empty() bool {
	counts := c.counts(c.db.counters.Load())
	return counts.Docs+counts.Deleted == 0
}

// adoptPolicy notes the version by which documents are judged. That of a
// collection that was empty counts only if it still is, under the same policy: whoever noted a
// change meanwhile was right.
func (c *Collection) adoptPolicy(version string) error {
	c.resyncing.Lock()
	defer c.resyncing.Unlock()
	if c.resync != nil || version != severalVersions && (c.policy.Load().Version != version || !c.empty()) {
		return nil
	}
	state, err := c.readResync(c.store.ctx)
	if err != nil || state.judgedBy(version) {
		return err
	}
	state.Judged = version
	return c.saveResync(state, false)
}

// resyncRun is a resync that is running.
type resyncRun struct {
	cancel   context.CancelFunc
	stopped  chan struct{} // closed when somebody stopped it
	stopping sync.Once
	done     chan struct{}
	progress atomicStatus
}

func (r *resyncRun) stop() {
	r.stopping.Do(func() { close(r.stopped) })
	r.cancel()
}

// runResync runs a resync in the background, which began when the policy had moved so often.
// c.resyncing is held.
func (c *Collection) runResync(state resyncState, moves uint64) {
	ctx, cancel := context.WithCancel(c.store.ctx)
	run := &resyncRun{cancel: cancel, stopped: make(chan struct{}), done: make(chan struct{})}
	begun := state.ResyncStatus
	run.progress.Store(&begun)
	c.resync = run
	c.store.start(func() {
		defer close(run.done)
		defer cancel()
		c.store.stats.resyncs.Add(1)
		defer c.store.stats.resyncs.Add(-1)
		c.resyncAll(ctx, run, &state, moves)
		c.resyncing.Lock()
		c.resync = nil
		c.resyncing.Unlock()
	})
}

// resumeResync goes on with a resync that a stop interrupted.
func (c *Collection) resumeResync() {
	c.resyncing.Lock()
	defer c.resyncing.Unlock()
	if c.resync != nil {
		return
	}
	moves := c.policyMoves.Load()
	state, err := c.readResync(c.store.ctx)
	if err != nil || state.State != ResyncRunning {
		return
	}
	c.runResync(state, moves)
}

// resyncAll goes through the documents that are left.
func (c *Collection) resyncAll(ctx context.Context, run *resyncRun, state *resyncState, moves uint64) {
	for ctx.Err() == nil {
		c.awaitPolicy(ctx)
		more, err := c.resyncDocuments(ctx, state)
		if c.policyMoves.Load() != moves {
			state.Version = severalVersions // some were judged by another one, though it may be the same again by now
		}
		if err == nil && !more {
			if err = c.completeResync(*state); err == nil {
				return
			}
		}
		switch {
		case err == nil:
			_ = c.saveResync(*state, true) // the next one has it too
		case errors.Is(err, errNotConfigured): // since a moment ago
		case ctx.Err() == nil:
			state.LastError = err.Error()
			c.store.logger.Warn("a resync goes on after a failure", zap.String("database", c.db.name),
				zap.Stringer("collection", c.id), zap.Error(err))
			select {
			case <-time.After(resyncAgain):
			case <-ctx.Done():
			}
		}
		progress := state.ResyncStatus
		run.progress.Store(&progress)
		if !c.db.live.Load() {
			return
		}
	}
	select {
	case <-run.stopped:
		state.State = ResyncStopped
		progress := state.ResyncStatus
		run.progress.Store(&progress)
		if err := c.saveResync(*state, false); err != nil {
			c.store.logger.Warn("that a resync was stopped could not be stored", zap.Error(err))
		}
	default: // the store closes; it goes on after the next start
	}
}

// awaitPolicy waits while the configuration does not have the collection: by mistake perhaps, and to be judged by no
// policy would take its documents out of all channels.
func (c *Collection) awaitPolicy(ctx context.Context) {
	if !c.policy.Load().Closed {
		return
	}
	c.store.logger.Warn("a resync waits until the configuration has the collection again", zap.String("database", c.db.name),
		zap.Stringer("collection", c.id))
	for c.policy.Load().Closed && c.db.live.Load() {
		select {
		case <-time.After(resyncAgain):
		case <-ctx.Done():
			return
		}
	}
}

// completeResync notes that all documents are judged.
func (c *Collection) completeResync(state resyncState) error {
	state.State, state.Judged = ResyncCompleted, state.Version
	if c.policy.Load().Version != state.Version {
		state.Judged = severalVersions // it changed meanwhile
	}
	return c.saveResync(state, true)
}

// resyncDocuments judges some documents and moves the state past them.
func (c *Collection) resyncDocuments(ctx context.Context, state *resyncState) (more bool, err error) {
	ids, err := c.idsAfter(ctx, state.Last)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	for todo := ids; len(todo) > 0; {
		if todo, err = c.rejudge(ctx, todo, state); err != nil {
			return false, err
		}
	}
	state.Processed += uint64(len(ids))
	c.store.stats.resyncDocuments.Add(uint64(len(ids)))
	state.Last = ids[len(ids)-1]
	return true, nil
}

func (c *Collection) idsAfter(ctx context.Context, last string) (ids []string, err error) {
	scan := engine.PrefixRange(c.scope.prefix(kindHead, 0))
	if last != "" {
		scan.Start = append(c.scope.head(last), 0)
	}
	scan.KeysOnly, scan.Limit = true, resyncPage
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		ids = nil
		pairs, failed := r.Scan(scan)
		for key := range pairs {
			if ids = append(ids, string(key[prefixSize:])); len(ids) == resyncPage {
				break
			}
		}
		return failed()
	})
	if err != nil {
		return nil, fmt.Errorf("listing documents: %w", err)
	}
	return ids, nil
}
