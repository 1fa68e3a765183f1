package lite

import (
	"context"
	"errors"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// What a row of changes says about a document, as a sum (reference/blip.md 3.5).
const (
	rowDeleted = 1 << iota
	rowRevoked // the user lost a channel or a role
	rowRemoved // the document left the user's channels
)

const rowLost = rowRevoked | rowRemoved

const (
	// scanRows is how many changes are read at once where most of them may be left out.
	scanRows = 1000
	// maxScan is how many are read before the feed looks whether it still has to.
	maxScan = 20_000
)

// row is a change that a client is told of.
type row struct {
	at    syncstore.Cursor
	id    string
	rev   string // as the client is told it: a version or a tree ID
	flags int
}

// errBatchFull pauses reading: the change is given again.
var errBatchFull = errors.New("batch is full")

// gather reads the changes that are there, up to a batch. f.more then says whether there may
// be others.
func (f *feed) gather(ctx context.Context) (rows []row, err error) {
	if n := min(len(f.found), f.o.batch); n > 0 {
		rows, f.found = f.found[:n], f.found[n:]
		return rows, nil
	}
	f.found = nil
	scanned := 0
	take := func(c *syncstore.Change) error {
		if len(rows) == f.o.batch {
			return errBatchFull
		}
		scanned++
		rows = f.appendRow(rows, c)
		return nil
	}
	for len(rows) < f.o.batch && scanned < maxScan {
		limit := f.o.batch - len(rows)
		if f.o.ids != nil {
			limit = scanRows
		}
		if _, err := f.live.Read(ctx, limit, take); err != nil {
			if errors.Is(err, errBatchFull) {
				break
			}
			return nil, err
		}
		select {
		case <-f.live.Ready():
			continue
		default:
		}
		f.more = false
		break
	}
	return f.dropVisible(ctx, rows)
}

// appendRow appends the row of a change, if it has one.
func (f *feed) appendRow(rows []row, c *syncstore.Change) []row {
	flags, ok := f.shows(c)
	if !ok {
		return rows
	}
	rev, ok := f.ks.r.fit(c)
	if !ok {
		return rows
	}
	return append(rows, row{at: c.Cursor(), id: string(c.ID), rev: rev, flags: flags})
}

// shows says whether the client is told of a change, and with which flags.
func (f *feed) shows(c *syncstore.Change) (flags int, ok bool) {
	if len(c.ID) == 0 || c.ID[0] == '_' || len(c.Leaves) == 0 {
		return 0, false
	}
	if f.o.ids != nil {
		if _, ok := f.o.ids[string(c.ID)]; !ok {
			return 0, false
		}
	}
	if c.Deleted {
		flags |= rowDeleted
	}
	if c.Revoked {
		flags |= rowRevoked
	}
	if len(c.Removed) > 0 || c.Revoked && c.Left() {
		flags |= rowRemoved
	}
	if f.o.activeOnly && flags != 0 && c.Cursor().Compare(syncstore.At(f.began)) <= 0 {
		return 0, false
	}
	// Clients before version 3 have no such flags: they ask for the revision, and get a body
	// that says that the document is not theirs any more.
	if flags&rowLost != 0 && !f.o.revocations && f.ks.r.version >= protocol3 {
		return 0, false
	}
	if c.Deleted && f.o.channels != nil {
		// To Sync Gateway a tombstone is in no channel any more. Clients take it for what it is
		// either way.
		flags |= rowRemoved
	}
	return flags, true
}

// dropVisible takes out of a feed of some channels those documents that left them and that the
// client's user still sees: to take these away is not for the feed to say.
func (f *feed) dropVisible(ctx context.Context, rows []row) ([]row, error) {
	if f.o.channels == nil {
		return rows, nil
	}
	kept := rows[:0]
	for _, row := range rows {
		if row.flags&rowRemoved != 0 && row.flags&rowDeleted == 0 {
			_, err := f.ks.coll.Get(ctx, row.id, syncstore.GetOptions{Viewer: f.ks.r.peer.Viewer})
			if err == nil || errors.Is(err, syncstore.ErrDeleted) {
				continue
			}
			if !errors.Is(err, syncstore.ErrNotFound) {
				return nil, err
			}
		}
		kept = append(kept, row)
	}
	return kept, nil
}

// fit returns the name by which a client is told of a changed document's revision. ok is false
// if Couchbase Lite cannot hold the document: to hear of it would stop the client for good
// (DECISIONS 27).
func (r *replication) fit(c *syncstore.Change) (rev string, ok bool) {
	switch {
	case !syncstore.FitsLite(string(c.ID)):
		r.leftOut("its ID has more than 240 bytes")
		return "", false
	case r.version >= protocol4 && !c.Version.IsZero():
		return c.Version.String(), true
	case !syncstore.RevFitsLite(string(c.Leaves[0].Rev)):
		r.leftOut("its revision is not 16 to 20 bytes in lower-case hexadecimal digits")
		return "", false
	}
	return string(c.Leaves[0].Rev), true
}

// leftOut counts a document that is left out, and warns of the first.
func (r *replication) leftOut(why string) {
	r.server.counters.Unfit.Add(1)
	r.unfit.Do(func() {
		r.logger.Warn("A document is not replicated, because Couchbase Lite cannot hold it: " + why + ". Others are only counted.")
	})
}

// appendRows appends the list of rows as a client of the version reads it.
func (p protocol) appendRows(b []byte, rows []row) []byte {
	b = append(b, '[')
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendSequence(append(b, '['), rows[i].at), ',')
		b = append(jsondoc.AppendString(b, rows[i].id), ',')
		b = jsondoc.AppendString(b, rows[i].rev)
		switch flags := rows[i].flags; {
		case p >= protocol3 && flags != 0:
			b = strconv.AppendInt(append(b, ','), int64(flags), 10)
		case p < protocol3 && flags&rowDeleted != 0:
			b = append(b, ",true"...)
		}
		b = append(b, ']')
	}
	return append(b, ']')
}

// appendSequence appends a sequence in JSON: what a client is told with a change, and later
// with its revision, must be the same text.
func appendSequence(b []byte, at syncstore.Cursor) []byte {
	if at.Event == 0 {
		return at.Append(b)
	}
	return append(at.Append(append(b, '"')), '"')
}
