package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxGeneration keeps every tree far from being pruned: all its revisions are
	// looked for at the end.
	maxGeneration = 150
	// keptDocs is how many of its documents a writer goes on updating.
	keptDocs = 400
)

// tally counts what the writers did.
type tally struct {
	puts, updates, deletes, revivals, bulks, bulkDocs, conflicts, shared int
	refused, unknown, stale                                              int
}

func (t *tally) add(o tally) {
	t.puts += o.puts
	t.updates += o.updates
	t.deletes += o.deletes
	t.revivals += o.revivals
	t.bulks += o.bulks
	t.bulkDocs += o.bulkDocs
	t.conflicts += o.conflicts
	t.shared += o.shared
	t.refused += o.refused
	t.unknown += o.unknown
	t.stale += o.stale
}

// kept is a document of which the writer knows the state.
type kept struct {
	id      string
	rev     string // the winner
	deleted bool
}

// writer writes documents of its own, and now and then one that all write. What it gets
// no answer to it never touches again: its state is unknown, and it is checked at the end.
type writer struct {
	client  *client
	checker *checker
	number  int
	shared  int // how many documents all write
	pause   time.Duration
	random  *rand.Rand
	docs    []kept
	made    int
	n       int64
	tally   tally
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		written, err := w.step(ctx)
		pause := time.Duration(written) * w.pause
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRefused):
			w.tally.refused++
			pause = 50 * time.Millisecond
		case errors.Is(err, errLost):
			w.tally.unknown++
			pause = 20 * time.Millisecond
		case err != nil:
			w.checker.report(faultAnswer, "%s: %v", w.client.name, err)
			pause = 50 * time.Millisecond
		}
		wait(ctx, pause-time.Since(began))
	}
}

// wait pauses; false means that ctx ended meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// step makes one request and returns how many documents it wrote. A request that was
// begun is seen to its end even when the run is over, or it would count as unknown.
func (w *writer) step(ctx context.Context) (int, error) {
	ctx = context.WithoutCancel(ctx)
	switch p := w.random.IntN(100); {
	case p < 35 || len(w.docs) == 0:
		return 1, w.put(ctx, kept{id: w.newID()})
	case p < 62:
		return 1, w.update(ctx)
	case p < 70:
		return 1, w.delete(ctx)
	case p < 82:
		return w.bulk(ctx)
	case p < 92:
		return w.push(ctx)
	default:
		return 1, w.putShared(ctx)
	}
}

func (w *writer) newID() string {
	w.made++
	return fmt.Sprintf("w%02d-%07d", w.number, w.made)
}

// body is a document's text with a number of its own.
func (w *writer) body(extra map[string]any) ([]byte, int64) {
	w.n++
	n := w.n<<8 | int64(w.number)
	doc := map[string]any{"n": n, "pad": strings.Repeat("é1", 20+w.random.IntN(200))}
	maps.Copy(doc, extra)
	text, _ := json.Marshal(doc) // strings and numbers
	return text, n
}

// take removes a document of those kept; the caller puts it back once its new state is known.
func (w *writer) take() kept {
	i := w.random.IntN(len(w.docs))
	d := w.docs[i]
	w.docs[i] = w.docs[len(w.docs)-1]
	w.docs = w.docs[:len(w.docs)-1]
	return d
}

func (w *writer) keep(d kept) {
	if generation(d.rev) >= maxGeneration {
		return
	}
	if len(w.docs) >= keptDocs {
		w.take()
	}
	w.docs = append(w.docs, d)
}

func generation(rev string) int {
	var n int
	_, _ = fmt.Sscanf(rev, "%d-", &n) // 0 if it has none
	return n
}

type written struct {
	OK     bool   `json:"ok"`
	ID     string `json:"id"`
	Rev    string `json:"rev"`
	Error  string `json:"error"`
	Reason string `json:"reason"`
}

// put writes a new revision of a document that only this writer writes: a conflict
// means that a revision that was acknowledged is no more.
func (w *writer) put(ctx context.Context, d kept) error {
	extra := map[string]any{}
	if d.rev != "" && !d.deleted {
		extra["_rev"] = d.rev
	}
	text, n := w.body(extra)
	status, answer, err := w.client.do(ctx, http.MethodPut, "/"+url.PathEscape(d.id), text)
	if err != nil {
		return err
	}
	var got written
	if err := json.Unmarshal(answer, &got); err != nil || status != http.StatusCreated || got.Rev == "" {
		return fmt.Errorf("PUT %s over %q: %d %s", d.id, d.rev, status, brief(answer))
	}
	w.checker.acknowledge(d.id, got.Rev, n)
	switch {
	case d.rev == "":
		w.tally.puts++
	case d.deleted:
		w.tally.revivals++
	default:
		w.tally.updates++
	}
	w.keep(kept{id: d.id, rev: got.Rev})
	return nil
}

func (w *writer) update(ctx context.Context) error { return w.put(ctx, w.take()) }

func (w *writer) delete(ctx context.Context) error {
	d := w.take()
	if d.deleted {
		return w.put(ctx, d)
	}
	status, answer, err := w.client.do(ctx, http.MethodDelete, "/"+url.PathEscape(d.id)+"?rev="+url.QueryEscape(d.rev), nil)
	if err != nil {
		return err
	}
	var got written
	if err := json.Unmarshal(answer, &got); err != nil || status != http.StatusOK || got.Rev == "" {
		return fmt.Errorf("DELETE %s of %q: %d %s", d.id, d.rev, status, brief(answer))
	}
	w.checker.acknowledge(d.id, got.Rev, 0)
	w.tally.deletes++
	w.keep(kept{id: d.id, rev: got.Rev, deleted: true})
	return nil
}

// bulk writes new documents and new revisions in one request.
func (w *writer) bulk(ctx context.Context) (int, error) {
	size := 2 + w.random.IntN(40)
	docs := make([]json.RawMessage, 0, size)
	was := make(map[string]int64, size)
	for range size {
		d := kept{id: w.newID()}
		if w.random.IntN(3) == 0 && len(w.docs) > 0 {
			d = w.take()
		}
		extra := map[string]any{"_id": d.id}
		if d.rev != "" {
			extra["_rev"] = d.rev
		}
		text, n := w.body(extra)
		docs = append(docs, text)
		was[d.id] = n
	}
	body, _ := json.Marshal(map[string]any{"docs": docs})
	status, answer, err := w.client.do(ctx, http.MethodPost, "/_bulk_docs", body)
	if err != nil {
		return size, err
	}
	var got []written
	if err := json.Unmarshal(answer, &got); err != nil || status != http.StatusCreated || len(got) != size {
		return size, fmt.Errorf("_bulk_docs of %d: %d %s", size, status, brief(answer))
	}
	w.tally.bulks++
	var failed error
	for _, one := range got {
		if one.Rev == "" || one.Error != "" {
			failed = w.refusal(one)
			continue
		}
		w.checker.acknowledge(one.ID, one.Rev, was[one.ID])
		w.tally.bulkDocs++
		w.keep(kept{id: one.ID, rev: one.Rev})
	}
	return size, failed
}

// refusal is the error of one document of a bulk request.
func (w *writer) refusal(one written) error {
	switch one.Error {
	case "service_unavailable", "insufficient_storage":
		return fmt.Errorf("%w: %s", errRefused, one.Error)
	}
	return fmt.Errorf("_bulk_docs: %s: %s %s", one.ID, one.Error, one.Reason)
}

// push writes revisions made here, as replication does: some continue a revision that the
// server has, some are a conflict, some come with ancestors that the server never had.
func (w *writer) push(ctx context.Context) (int, error) {
	size := 1 + w.random.IntN(12)
	type sent struct {
		id, rev string
		n       int64
	}
	docs := make([]json.RawMessage, 0, size)
	pushed := make([]sent, 0, size)
	for range size {
		d := kept{id: w.newID()}
		if w.random.IntN(2) == 0 && len(w.docs) > 0 {
			d = w.take() // not kept: its winner may be either side
		}
		start, digests := w.history(d)
		rev := fmt.Sprintf("%d-%s", start, digests[0])
		text, n := w.body(map[string]any{
			"_id": d.id, "_rev": rev, "_revisions": map[string]any{"start": start, "ids": digests},
		})
		docs = append(docs, text)
		pushed = append(pushed, sent{d.id, rev, n})
	}
	body, _ := json.Marshal(map[string]any{"docs": docs, "new_edits": false})
	status, answer, err := w.client.do(ctx, http.MethodPost, "/_bulk_docs", body)
	if err != nil {
		return size, err
	}
	var got []written
	if err := json.Unmarshal(answer, &got); err != nil || status != http.StatusCreated {
		return size, fmt.Errorf("_bulk_docs new_edits=false: %d %s", status, brief(answer))
	}
	refused := map[string]bool{}
	var failed error
	for _, one := range got {
		if one.Error != "" {
			refused[one.ID] = true
			failed = w.refusal(one)
		}
	}
	for _, s := range pushed {
		if !refused[s.id] {
			w.checker.acknowledge(s.id, s.rev, s.n)
			w.tally.conflicts++
		}
	}
	return size, failed
}

// history makes the revisions of a push, the newest first, and tells the checker which
// of them come only as ancestors.
func (w *writer) history(d kept) (start int, digests []string) {
	known, own, hasOwn := strings.Cut(d.rev, "-")
	_ = known
	switch w.random.IntN(3) {
	case 0: // continues what is there
		if hasOwn {
			return generation(d.rev) + 1, []string{w.digest(), own}
		}
		return 1, []string{w.digest()}
	case 1: // a root of its own: a conflict, if there is something
		return 1, []string{w.digest()}
	default: // comes with ancestors
		digests = []string{w.digest(), w.digest(), w.digest()}
		start = 3
		if hasOwn {
			start = generation(d.rev) + 3
			digests = append(digests, own)
		}
		w.checker.plant(d.id, fmt.Sprintf("%d-%s", start-1, digests[1]))
		w.checker.plant(d.id, fmt.Sprintf("%d-%s", start-2, digests[2]))
		return start, digests
	}
}

func (w *writer) digest() string {
	return fmt.Sprintf("%016x%016x", w.random.Uint64(), w.random.Uint64())
}

// putShared updates a document that all writers update, as it is just now.
func (w *writer) putShared(ctx context.Context) error {
	path := fmt.Sprintf("/shared-%03d", w.random.IntN(w.shared))
	status, answer, err := w.client.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	var now struct {
		Rev string `json:"_rev"`
	}
	extra := map[string]any{}
	if status == http.StatusOK {
		if err := json.Unmarshal(answer, &now); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		extra["_rev"] = now.Rev
	}
	if generation(now.Rev) >= maxGeneration {
		return nil
	}
	text, n := w.body(extra)
	status, answer, err = w.client.do(ctx, http.MethodPut, path, text)
	if err != nil {
		return err
	}
	var got written
	switch err := json.Unmarshal(answer, &got); {
	case status == http.StatusConflict:
		w.tally.stale++
		return nil
	case err != nil || status != http.StatusCreated || got.Rev == "":
		return fmt.Errorf("PUT %s: %d %s", path, status, brief(answer))
	}
	w.checker.acknowledge(path[1:], got.Rev, n)
	w.tally.shared++
	return nil
}
