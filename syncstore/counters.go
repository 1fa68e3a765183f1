package syncstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const countersFormat = 2 // 1 had no Access

// counters are what a database counts. They are read and written in each of the
// database's transactions.
type counters struct {
	Seq     uint64
	Docs    int64
	Deleted int64
	// Clock is the source of the database's versions, and the last time it handed out.
	Clock Version
	// Access is the sequence of the last change of what anybody has.
	Access uint64
	// FirstSeq is where the sequences of the database begin (DECISIONS 35).
	FirstSeq uint64
	Created  time.Time
	UUID     [16]byte
}

func (c *counters) encode() []byte {
	e := encoder{b: make([]byte, 0, 80)}
	e.byte(countersFormat)
	e.fixed64(c.Seq)
	e.uvarint(uint64(max(c.Docs, 0)))
	e.uvarint(uint64(max(c.Deleted, 0)))
	e.version(c.Clock)
	e.fixed64(c.FirstSeq)
	e.fixed64(uint64(c.Created.Unix()))
	e.raw(c.UUID[:])
	e.fixed64(c.Access)
	return e.b
}

func decodeCounters(record []byte) (counters, error) {
	d := decoder{b: record}
	format := d.byte()
	if format != 1 && format != countersFormat && d.err == nil {
		return counters{}, fmt.Errorf("%w: counters format %d", ErrDamaged, format)
	}
	c := counters{Seq: d.fixed64(), Docs: int64(d.uvarint()), Deleted: int64(d.uvarint()), Clock: d.version()}
	c.FirstSeq = d.fixed64()
	c.Created = time.Unix(int64(d.fixed64()), 0).UTC()
	copy(c.UUID[:], d.raw(len(c.UUID)))
	if format > 1 {
		c.Access = d.fixed64()
	}
	if err := d.end(); err != nil {
		return counters{}, fmt.Errorf("reading counters: %w", err)
	}
	return c, nil
}

// readCounters reads a database's counters from a snapshot. ErrNoDatabase if they are
// gone: the database was deleted.
func readCounters(r engine.Reader, s scope) (counters, error) {
	record, err := r.Get(scope{db: s.db}.counters())
	if errors.Is(err, engine.ErrNotFound) {
		return counters{}, ErrNoDatabase
	}
	if err != nil {
		return counters{}, fmt.Errorf("reading counters: %w", err)
	}
	return decodeCounters(record)
}
