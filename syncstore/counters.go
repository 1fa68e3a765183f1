package syncstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const countersFormat = 2 // 1 had no Access and no Collections

// counters are what a database counts. They are read and written in each of the
// database's transactions.
type counters struct {
	Seq uint64
	documentCounts
	// Collections are those of the others than _default._default, by number; their documents
	// are in the database's counts too.
	Collections map[uint32]documentCounts
	// Clock is the source of the database's versions, and the last time it handed out.
	Clock Version
	// Access is the sequence of the last change of what anybody has.
	Access uint64
	// FirstSeq is where the sequences of the database begin (DECISIONS 35).
	FirstSeq uint64
	Created  time.Time
	UUID     [16]byte
}

// documentCounts are a database's or a collection's numbers of documents and tombstones.
type documentCounts struct {
	Docs    int64
	Deleted int64
}

func (c *documentCounts) add(docs, deleted int64) {
	c.Docs += docs
	c.Deleted += deleted
}

// add counts what a change set does.
func (c *counters) add(set *changeSet) {
	c.documentCounts.add(set.docs, set.deleted)
	if set.collection == 0 || set.docs == 0 && set.deleted == 0 {
		return
	}
	if c.Collections == nil {
		c.Collections = make(map[uint32]documentCounts)
	}
	own := c.Collections[set.collection]
	own.add(set.docs, set.deleted)
	c.Collections[set.collection] = own
}

// counts are a collection's own.
func (c *Collection) counts(of *counters) documentCounts {
	if c.scope.collection != 0 {
		return of.Collections[c.scope.collection]
	}
	own := of.documentCounts
	for _, other := range of.Collections {
		own.add(-other.Docs, -other.Deleted)
	}
	return own
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
	e.uvarint(uint64(len(c.Collections)))
	for number, own := range c.Collections {
		e.uvarint(uint64(number))
		e.uvarint(uint64(max(own.Docs, 0)))
		e.uvarint(uint64(max(own.Deleted, 0)))
	}
	return e.b
}

func decodeCounters(record []byte) (counters, error) {
	d := decoder{b: record}
	format := d.byte()
	if format != 1 && format != countersFormat && d.err == nil {
		return counters{}, fmt.Errorf("%w: counters format %d", ErrDamaged, format)
	}
	c := counters{Seq: d.fixed64()}
	c.Docs, c.Deleted = int64(d.uvarint()), int64(d.uvarint())
	c.Clock = d.version()
	c.FirstSeq = d.fixed64()
	c.Created = time.Unix(int64(d.fixed64()), 0).UTC()
	copy(c.UUID[:], d.raw(len(c.UUID)))
	if format > 1 {
		c.Access = d.fixed64()
		if n := d.count(3); n > 0 {
			c.Collections = make(map[uint32]documentCounts, n)
			for range n {
				number := uint32(d.uvarint())
				c.Collections[number] = documentCounts{Docs: int64(d.uvarint()), Deleted: int64(d.uvarint())}
			}
		}
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
