package syncstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// ResyncState says what a resync is doing.
type ResyncState string

// States of a resync.
const (
	ResyncRunning   ResyncState = "running"
	ResyncStopped   ResyncState = "stopped"
	ResyncCompleted ResyncState = "completed" // also before the first
)

// ResyncStatus is the progress of a resync.
type ResyncStatus struct {
	State   ResyncState `json:"state"`
	Started time.Time   `json:"started,omitzero"` // zero: never
	// Processed counts documents that were judged, Changed those that were in other channels
	// or made other grants, Errors those that the policy refuses.
	Processed uint64 `json:"processed,omitempty"`
	Changed   uint64 `json:"changed,omitempty"`
	Errors    uint64 `json:"errors,omitempty"`
	LastError string `json:"last_error,omitempty"`
}

// resyncState is what is stored of a collection's last resync.
type resyncState struct {
	ResyncStatus
	// Version is the policy's that the resync judges by, Judged that by which all documents
	// are judged.
	Version string `json:"version,omitempty"`
	Judged  string `json:"judged,omitempty"`
	Last    string `json:"last,omitempty"` // the last document that was judged
	// All: every document gets a new sequence.
	All bool `json:"all,omitempty"`
}

// severalVersions is what resyncState has for a version where there is not one.
const severalVersions = "several"

// judgedBy reports whether all documents are judged by a version of the policy. Those of a new
// collection, and of a store that is older than SharedVersion, are without one.
func (s *resyncState) judgedBy(version string) bool {
	return s.Judged == version || s.Judged == "" && version == SharedVersion
}

type atomicStatus = atomic.Pointer[ResyncStatus]

func (s scope) resync() []byte { return s.prefix(kindResync, 0) }

func (c *Collection) readResync(ctx context.Context) (state resyncState, err error) {
	state.State = ResyncCompleted
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		record, err := r.Get(c.scope.resync())
		if errors.Is(err, engine.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the state of a resync: %w", err)
		}
		if err := json.Unmarshal(record, &state); err != nil {
			return fmt.Errorf("%w: state of a resync: %w", ErrDamaged, err)
		}
		return nil
	})
	return state, err
}

func (c *Collection) saveResync(state resyncState, background bool) error {
	record, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encoding the state of a resync: %w", err)
	}
	set := &changeSet{db: c.db}
	set.put(c.scope.resync(), record)
	if background {
		c.store.committer.commitBackground(set)
	} else {
		c.store.committer.commit(set)
	}
	return set.err
}
