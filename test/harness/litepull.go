package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// LiteDoc is a revision that a Lite pulled.
type LiteDoc struct {
	Rev, Body string
	Deleted   bool
}

// LiteState is what a Lite has pulled.
type LiteState struct {
	Docs map[string]LiteDoc
	// CaughtUp is how often the server said that it had told of everything.
	CaughtUp int
	// Pending are the changes announced whose revisions have not come.
	Pending int
}

// Idle is the state in which a client is done, or waits for changes.
func (s *LiteState) Idle() bool { return s.CaughtUp > 0 && s.Pending == 0 }

// liteRow is a change that the server announced.
type liteRow struct {
	seq, id string
	done    bool
}

// Pull begins a pull after a sequence as the server told it, "" for the start.
func (l *Lite) Pull(ctx context.Context, since string, continuous bool) error {
	props := []string{"continuous", strconv.FormatBool(continuous), "batch", "200", "revocations", "1"}
	if since != "" {
		props = append(props, "since", since)
	}

	l.mu.Lock()
	l.since = since
	l.mu.Unlock()

	if _, err := l.Call(ctx, "subChanges", "", props...); err != nil {
		return fmt.Errorf("subChanges: %w", err)
	}

	return nil
}

// Docs are the documents pulled.
func (l *Lite) Docs() map[string]LiteDoc {
	l.mu.Lock()
	defer l.mu.Unlock()

	return maps.Clone(l.docs)
}

// Since is where a client goes on later: everything up to there has come.
func (l *Lite) Since() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.since
}

// Await waits until what was pulled is as wanted.
func (l *Lite) Await(ctx context.Context, enough func(*LiteState) bool) error {
	for {
		l.mu.Lock()

		pending := 0

		for i := range l.rows {
			if !l.rows[i].done {
				pending++
			}
		}

		ok, changed := enough(&LiteState{l.docs, l.caught, pending}), l.changed
		l.mu.Unlock()

		if ok {
			return nil
		}

		select {
		case <-changed:
		case <-l.ended:
			return fmt.Errorf("waiting for documents: %w", blip.ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("waiting for documents: %w", ctx.Err())
		}
	}
}

// handle answers the server's requests, on the goroutine that reads.
func (l *Lite) handle(q *blip.Request) {
	if l.silent {
		return
	}

	switch q.Profile() {
	case "changes":
		l.announced(q)
	case "rev":
		l.pulled(q, LiteDoc{
			Rev: q.Properties.Value("rev"), Body: string(q.Body), Deleted: q.Properties.Value("deleted") == "1",
		})
		q.Reply(&blip.Message{})
	case "norev":
		l.update(func() { l.done(q.Properties.Value("id"), q.Properties.Value("sequence")) })
	default:
		q.Refuse("BLIP", http.StatusNotFound, "No handler for BLIP request")
	}
}

// announced asks for every revision of a message with changes.
func (l *Lite) announced(q *blip.Request) {
	var rows [][]json.RawMessage
	if err := json.Unmarshal(q.Body, &rows); err != nil {
		q.Refuse("HTTP", http.StatusBadRequest, "no list")

		return
	}

	wants := make([]string, len(rows))

	l.update(func() {
		if len(rows) == 0 {
			l.caught++
		}

		for i, row := range rows {
			var (
				id    string
				flags any
			)

			_ = json.Unmarshal(row[1], &id)

			if len(row) > 3 {
				_ = json.Unmarshal(row[3], &flags)
			}

			l.rows = append(l.rows, liteRow{seq: string(row[0]), id: id})
			wants[i] = "[]"

			if n, ok := flags.(float64); ok && int(n)&6 != 0 { // out of sight: gone
				delete(l.docs, id)
				l.done(id, string(row[0]))

				wants[i] = "0"
			}
		}
	})

	q.Reply(&blip.Message{
		Properties: blip.Properties{{Name: "maxHistory", Value: "20"}, {Name: "blobs", Value: "true"}},
		Body:       []byte("[" + strings.Join(wants, ",") + "]"), Compressed: true,
	})

	if l.stalls {
		l.wire.stalled.Store(true)
	}
}

func (l *Lite) pulled(q *blip.Request, doc LiteDoc) {
	id := q.Properties.Value("id")

	l.update(func() {
		l.docs[id] = doc
		l.done(id, q.Properties.Value("sequence"))
	})
}

// update changes what was pulled and tells those who wait.
func (l *Lite) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()

	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// done notes that a row has been dealt with. since moves to the last row that all before it
// are, too.
func (l *Lite) done(id, seq string) {
	for i := range l.rows {
		if l.rows[i].id == id && l.rows[i].seq == seq {
			l.rows[i].done = true
		}
	}

	for len(l.rows) > 0 && l.rows[0].done {
		l.since = l.rows[0].seq
		l.rows = l.rows[1:]
	}
}
