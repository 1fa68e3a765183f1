package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// readWorkers read the documents at the end.
const readWorkers = 8

// readState reads the whole database: its sequence, all changes, and the revision tree of
// every document that anybody has heard of.
func (t *torture) readState(ctx context.Context) (state, error) {
	s := state{documents: map[string]document{}}
	info, err := again(ctx, func() (databaseInfo, error) { return t.monitor.info(ctx) })
	if err != nil {
		return s, err
	}
	s.seq = uint64(info.UpdateSeq)
	p, err := t.monitor.changes(ctx, "normal", 0, 0)
	if err != nil {
		return s, err
	}
	s.rows = rowsOf(p)
	if n := len(s.rows); n != info.DocCount+info.Deleted {
		t.checker.report(faultRow, "%d rows, but %d documents and %d tombstones", n, info.DocCount, info.Deleted)
	}
	var (
		mu       sync.Mutex
		workers  sync.WaitGroup
		firstErr error
		ids      = make(chan string)
	)
	for range readWorkers {
		workers.Go(func() {
			c := newClient(t.monitor.url, "reader", t.monitor.token, t.monitor.cookie)
			for id := range ids {
				d, err := again(ctx, func() (document, error) { return c.tree(ctx, id) })
				mu.Lock()
				if err != nil && firstErr == nil {
					firstErr = err
				}
				if len(d.leaves) > 0 {
					s.documents[id] = d
				}
				mu.Unlock()
			}
		})
	}
	for _, id := range t.heardOf(s.rows) {
		ids <- id
	}
	close(ids)
	workers.Wait()
	return s, firstErr
}

// heardOf are the documents in the rows and those with an acknowledged write.
func (t *torture) heardOf(rows []row) []string {
	ids := make(map[string]struct{}, len(rows))
	for _, r := range rows {
		ids[r.doc] = struct{}{}
	}
	t.checker.mu.Lock()
	defer t.checker.mu.Unlock()
	for id := range t.checker.acks {
		ids[id] = struct{}{}
	}
	return slices.Collect(maps.Keys(ids))
}

// progress is a line on how it goes.
func (t *torture) progress() string {
	t.checker.mu.Lock()
	defer t.checker.mu.Unlock()
	return fmt.Sprintf("%s  %d acknowledged, %d kills, sequence %d, %d faults",
		time.Now().Format(time.TimeOnly), t.checker.acked, t.report.kills, t.checker.high, t.checker.found)
}
