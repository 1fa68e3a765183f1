package rest

import (
	"math"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// sequences are how the positions in a database's feed look to clients, to whom they are
// opaque. In the first database of a store they are plain: "S", and "E:S" in the rows of an
// event (DECISIONS 34). In the others they count from the database's beginning and end with
// its number, "S-27": there sequences begin high, so that a position of a deleted database is
// seen to be wrong (DECISIONS 35), and PouchDB's suite wants those of a new database to begin
// with 1. A plain number is taken everywhere, as what the store counts.
type sequences struct {
	first uint64
	// tail is the number of the database; "" if first is 0.
	tail string
}

func sequencesOf(info *syncstore.Info) sequences {
	if info.FirstSeq == 0 {
		return sequences{}
	}
	return sequences{first: info.FirstSeq, tail: strconv.FormatUint(info.FirstSeq>>32, 10)}
}

// append appends the text of a position.
func (s *sequences) append(b []byte, at syncstore.Cursor) []byte {
	if s.first == 0 {
		return at.Append(b)
	}
	at.Seq = max(at.Seq, s.first) - s.first
	if at.Event != 0 {
		at.Event = max(at.Event, s.first+1) - s.first
	}
	return append(append(at.Append(b), '-'), s.tail...)
}

// appendJSON appends a position as JSON: a number where the text is one.
func (s *sequences) appendJSON(b []byte, at syncstore.Cursor) []byte {
	if s.first == 0 && at.Event == 0 {
		return at.Append(b)
	}
	return append(s.append(append(b, '"'), at), '"')
}

// feedPosition is where a client wants to go on: what it sent, without the tail.
type feedPosition struct {
	at   syncstore.Cursor
	tail string
}

// resolve returns the position in the database. What is of another database is the beginning, and so is
// CouchDB's: that its number is one here too means nothing.
func (s *sequences) resolve(p feedPosition) syncstore.Cursor {
	switch {
	case p.tail == "":
		return p.at
	case p.tail != s.tail:
		return syncstore.Cursor{}
	}
	at := p.at
	at.Seq = s.absolute(at.Seq)
	if at.Event != 0 {
		at.Event = s.absolute(at.Event)
	}
	return at
}

func (s *sequences) absolute(n uint64) uint64 {
	if n > math.MaxUint64-s.first {
		return math.MaxUint64
	}
	return n + s.first
}

// cutTail takes the tail off a position: the number of a database, or what CouchDB has there.
func cutTail(text string) (rest, tail string, ok bool) {
	rest, tail, cut := strings.Cut(text, "-")
	if cut && (tail == "" || !decimal(rest) && !decimal(tail)) {
		return "", "", false
	}
	return rest, tail, true
}
