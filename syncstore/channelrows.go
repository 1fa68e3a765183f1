package syncstore

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// channelRow is a row of a channel's index, or of the whole feed, that a viewer's feed may
// show.
type channelRow struct {
	seq    uint64
	record []byte
	left   bool // no channel of the read has the document any more
}

// channelRows gathers the rows with the lowest sequences of several channels, in order,
// each sequence once. It reads one channel after the other, each no further than it has
// to, so that a thousand channels cost one open iterator.
type channelRows struct {
	collection *Collection
	reader     engine.Reader
	limit      int
	rows       []channelRow
	// upcoming, if not nil, is the sequence of the next row of channels that were read, from
	// read to read: a channel whose next row is far away is not opened for each.
	upcoming map[string]uint64
	used     []string // the channels that gave rows, or the same as others
}

// add reads the rows of a channel from one sequence up to another, which is left out.
func (c *channelRows) add(channel string, from, to uint64) error {
	if from >= to || !c.collection.db.tops.mayHave(c.collection.scope.collection, channel, from) {
		return nil
	}
	if next, known := c.upcoming[channel]; known && (next >= to || c.full() && next > c.rows[len(c.rows)-1].seq) {
		return nil
	}
	start := c.collection.scope.channel(channel, from)
	if channel == AllChannel {
		start = c.collection.scope.seq(from)
	}
	next, gave := uint64(math.MaxUint64), false
	pairs, failed := c.reader.Scan(engine.Range{Start: start, End: engine.PrefixEnd(start[:len(start)-8]), Limit: c.limit})
	for key, record := range pairs {
		if len(key) != len(start) {
			return fmt.Errorf("%w: key of a row", ErrDamaged)
		}
		seq := binary.BigEndian.Uint64(key[len(key)-8:])
		if seq >= to || c.full() && seq > c.rows[len(c.rows)-1].seq {
			next = seq
			break
		}
		c.insert(seq, record)
		gave = true
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading channel %q: %w", channel, err)
	}
	if c.upcoming != nil {
		c.upcoming[channel] = next
		if gave {
			c.used = append(c.used, channel)
		}
	}
	return nil
}

// done returns the rows. If there may be more before the end of the read, the channels that
// gave rows may have given some that were pushed out: what comes next of them is not known.
func (c *channelRows) done() []channelRow {
	if c.full() {
		for _, channel := range c.used {
			delete(c.upcoming, channel)
		}
	}
	return c.rows
}

func (c *channelRows) full() bool { return len(c.rows) >= c.limit }

// insert keeps a row in its place. Of two of a sequence, which are of one document, that
// one counts that says the document is in its channel.
func (c *channelRows) insert(seq uint64, record []byte) {
	at, found := slices.BinarySearchFunc(c.rows, seq, func(r channelRow, seq uint64) int {
		switch {
		case r.seq < seq:
			return -1
		case r.seq > seq:
			return 1
		}
		return 0
	})
	row := channelRow{seq: seq, left: len(record) > 1 && record[1]&rowRemoved != 0}
	if found {
		if c.rows[at].left && !row.left {
			row.record = append([]byte(nil), record...)
			c.rows[at] = row
		}
		return
	}
	row.record = append([]byte(nil), record...)
	c.rows = slices.Insert(c.rows, at, row)
	if len(c.rows) > c.limit {
		c.rows = c.rows[:c.limit]
	}
}
