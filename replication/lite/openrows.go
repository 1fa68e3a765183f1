package lite

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
)

// openRow is what a client was told last of a document, while it is not done with it: it has not
// answered, or awaits the revision, or has not answered that. What it then does with the document
// is not known. If it were told that the document has gone another way, it could say that it has
// that revision, and take the one before in only then, for news: one with attachments waits for
// these, and what the client has may be what it pushed itself.
type openRow struct {
	rev   string
	flags int
	// rows is how many it is told of.
	rows int
}

// admit sorts out the rows that the client can be told of now, and notes that it is. later begins
// with one that has to wait.
func (f *feed) admit(ctx context.Context, rows []row) (now, later []row) {
	now = rows[:0]
	for i := range rows {
		repeats, waits := f.meets(ctx, &rows[i])
		if waits {
			return now, rows[i:]
		}
		if !repeats {
			now = append(now, rows[i])
		}
	}
	return now, nil
}

// meets compares a row with what the client is told of the document already. A row that repeats
// that says nothing new: another leaf came or went, and the revision is on its way.
func (f *feed) meets(ctx context.Context, r *row) (repeats, waits bool) {
	f.mu.Lock()
	before, met := openRow{}, f.open[r.id]
	if met != nil {
		before = *met
	}
	f.mu.Unlock()
	if met != nil && before.rev == r.rev && before.flags == r.flags {
		return true, false
	}
	goesOn := met == nil || (before.flags|r.flags)&rowLost == 0 && f.descends(ctx, r, before.rev)
	f.mu.Lock()
	defer f.mu.Unlock()
	met = f.open[r.id]
	switch {
	case met == nil && f.heldForPurge(r):
		return false, true
	case met == nil:
		if f.open == nil {
			f.open = make(map[string]*openRow)
		}
		f.open[r.id] = &openRow{r.rev, r.flags, 1}
	case goesOn:
		*met = openRow{r.rev, r.flags, met.rows + 1}
	default:
		f.held = r.id
		return false, true
	}
	return false, false
}

// descends reports whether a row's revision is known to come from another: then it does not matter
// which of them the client takes in first. A version covers what was current before (DECISIONS 23).
func (f *feed) descends(ctx context.Context, r *row, from string) bool {
	if strings.Contains(r.rev, "@") {
		return strings.Contains(from, "@")
	}
	rev, err := syncstore.ParseRev(r.rev)
	if err != nil {
		return false
	}
	ancestor, err := syncstore.ParseRev(from)
	if err != nil {
		return false
	}
	doc, err := f.ks.coll.Get(ctx, r.id, syncstore.GetOptions{Rev: rev, Viewer: f.ks.r.peer.Viewer, History: true})
	return err == nil && slices.Contains(doc.History, ancestor)
}

// done ends a row: the client does not want the revision, or has it.
func (f *feed) done(id string) {
	f.mu.Lock()
	met := f.open[id]
	if met == nil {
		f.mu.Unlock()
		return
	}
	met.rows--
	over := met.rows == 0
	if over {
		delete(f.open, id)
		if len(f.open) == 0 {
			f.open = nil // an idle feed keeps nothing
		}
	}
	goesOn := over && f.held == id
	if goesOn {
		f.held = ""
	}
	f.mu.Unlock()
	if goesOn {
		f.signal()
	}
}

// untilSent has a row done when a message that wants no answer is sent. What goes into one frame
// is sent before what is queued after it.
func (f *feed) untilSent(m *blip.Message, id string) (queued func()) {
	size := len(m.Body)
	for _, p := range m.Properties {
		size += len(p.Name) + len(p.Value) + 2
	}
	if size <= wholeBody {
		return func() { f.done(id) }
	}
	m.Stream = sent(func() { f.done(id) })
	return func() {}
}

// sent is a stream of nothing, and called when the message was sent, or will not be.
type sent func()

// Read implements io.Reader.
func (sent) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (s sent) Close() error {
	s()
	return nil
}
