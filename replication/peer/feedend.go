package peer

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// feedEnd finds the end of a feed that is read page by page. A server, or what stands before it, may give fewer rows than
// it was asked for: a page that is not full need not be the last one.
type feedEnd struct {
	// who gives the feed: ErrRemote or ErrTarget.
	who error
	// position is where the feed was when its reading began, 0 if that was not said, or is no number. Servers whose positions
	// are none say what is pending.
	position uint64
	// pending is what was said to follow the last empty page.
	pending int64
}

// databaseInfo is what a server says of a database.
type databaseInfo struct {
	UpdateSeq json.RawMessage `json:"update_seq"`
}

// feedEnd is that of the feed of a database, by what the server says of it before the feed is read.
func (r *remote) feedEnd(info databaseInfo) feedEnd {
	position, _ := plainSeq(info.UpdateSeq)
	return feedEnd{who: r.who, position: position}
}

// plainSeq reads a position that is a number.
func plainSeq(seq json.RawMessage) (uint64, bool) {
	n, err := strconv.ParseUint(sinceText(seq), 10, 64)
	return n, err == nil
}

// is reports whether a page is the last one, that was asked for from since with a limit.
func (e *feedEnd) is(p *page, since json.RawMessage, limit int) (bool, error) {
	stays := string(p.last) == string(since)
	switch {
	case p.rows == 0:
		// What is pending may be what a filter takes out, of which there must be less each time.
		more := !stays && p.pending > 0 && (e.pending == 0 || p.pending < e.pending)
		e.pending = p.pending
		return !more, nil
	case p.rows < limit && p.pending == 0:
		return true, nil
	case stays:
		return false, fmt.Errorf("%w %w", e.who, errStays)
	case p.rows < limit && p.pending < 0:
		// Where others write all the time, there is no empty page.
		at, ok := plainSeq(p.last)
		return ok && e.position > 0 && at >= e.position, nil
	}
	return false, nil
}
