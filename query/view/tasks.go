package view

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Task is an index that is built, as CouchDB's _active_tasks tells of it.
type Task struct {
	Database     string `json:"database"`
	DesignDoc    string `json:"design_document"`
	Type         string `json:"type"` // "indexer"
	Progress     int    `json:"progress"`
	ChangesDone  uint64 `json:"changes_done"`
	TotalChanges uint64 `json:"total_changes"`
	StartedOn    int64  `json:"started_on"`
	UpdatedOn    int64  `json:"updated_on"`
}

// tasks are the indexes whose building was begun, by a query or by the upkeep. Those that are done
// are forgotten when somebody looks.
type tasks struct {
	mu  sync.Mutex
	all map[*syncstore.Index]task
}

type task struct {
	collection *syncstore.Collection
	design     string
	begun      time.Time
	from       uint64
}

// note notes that an index is about to be built, if it is not being built already.
func (t *tasks) note(ctx context.Context, c *syncstore.Collection, index *syncstore.Index, design string) {
	from, _, err := index.Covers(ctx)
	if err != nil {
		return // the building will tell
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, running := index.Building(); running {
		if _, known := t.all[index]; known {
			return
		}
	}
	if t.all == nil {
		t.all = make(map[*syncstore.Index]task)
	}
	// Sequences begin where the database's do: what is below was never a change.
	t.all[index] = task{c, design, time.Now(), max(from, c.Info().FirstSeq)}
	t.sweep()
}

// sweep forgets what is done, but for what may just be about to be built. mu is held.
func (t *tasks) sweep() {
	for index, begun := range t.all {
		if _, running := index.Building(); !running && time.Since(begun.begun) > time.Second {
			delete(t.all, index)
		}
	}
}

// Tasks are the indexes that are built now, the oldest first.
func (v *Views) Tasks(ctx context.Context) []Task {
	v.tasks.mu.Lock()
	defer v.tasks.mu.Unlock()
	v.tasks.sweep()
	all := []Task{}
	for index, begun := range v.tasks.all {
		until, running := index.Building()
		done, _, err := index.Covers(ctx)
		if !running || err != nil {
			continue
		}
		t := Task{
			Database: begun.collection.Keyspace(), DesignDoc: begun.design, Type: "indexer",
			ChangesDone: done - min(begun.from, done), TotalChanges: until - min(begun.from, until),
			StartedOn: begun.begun.Unix(), UpdatedOn: time.Now().Unix(),
		}
		t.Progress = int(100 * t.ChangesDone / max(t.TotalChanges, 1))
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.StartedOn, b.StartedOn), cmp.Compare(a.Database+a.DesignDoc, b.Database+b.DesignDoc))
	})
	return all
}
