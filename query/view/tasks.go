package view

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
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

// tasks are queries that wait for an index.
type tasks struct {
	mu  sync.Mutex
	all map[*View]task
}

type task struct {
	begun time.Time
	from  uint64
}

// begin notes that a view waits for its index; end is to be called when it does not any more.
func (t *tasks) begin(v *View) (end func()) {
	from, _, err := v.index.Covers(context.Background())
	if err != nil {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[*View]task)
	}
	t.all[v] = task{time.Now(), from}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.all, v)
	}
}

// Tasks are the indexes that are built now, the oldest first, each once.
func (v *Views) Tasks() []Task {
	v.tasks.mu.Lock()
	defer v.tasks.mu.Unlock()
	all := []Task{}
	for view, begun := range v.tasks.all {
		until, running := view.index.Building()
		done, _, err := view.index.Covers(context.Background())
		if !running || err != nil {
			continue
		}
		t := Task{
			Database: view.collection.Keyspace(), DesignDoc: view.design, Type: "indexer",
			ChangesDone: done - min(begun.from, done), TotalChanges: until - min(begun.from, until),
			StartedOn: begun.begun.Unix(), UpdatedOn: time.Now().Unix(),
		}
		t.Progress = int(100 * t.ChangesDone / max(t.TotalChanges, 1))
		same := func(o Task) bool { return o.Database == t.Database && o.DesignDoc == t.DesignDoc }
		if !slices.ContainsFunc(all, same) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.StartedOn, b.StartedOn), cmp.Compare(a.Database+a.DesignDoc, b.Database+b.DesignDoc))
	})
	return all
}
