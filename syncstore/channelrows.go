package syncstore

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// channelRow is a row of a channel's index, or of the whole feed, that a viewer's feed may
// show.
type channelRow struct {
	seq    uint64
	record []byte
	left   bool // no channel of the read has the document any more
	// shared, if not nil, is the document as those know it who read the same page: with it in the
	// channel, it does not change without the channel.
	shared *atomic.Pointer[head]
}

func newChannelRow(seq uint64, record []byte) channelRow {
	return channelRow{seq: seq, record: record, left: len(record) > 1 && record[1]&rowRemoved != 0}
}

// channelRows gathers the rows with the lowest sequences of several channels, in order,
// each sequence once. It reads one channel after the other, each no further than it has
// to, so that a thousand channels cost one open iterator.
type channelRows struct {
	collection *Collection
	reader     engine.Reader
	limit      int
	rows       []channelRow
	given      []uint64 // what add returns, of one channel after the other
	used       []usedChannel
	// shared says that other feeds are likely to read the same, seq is the database's sequence in
	// the snapshot.
	shared bool
	seq    uint64
}

// add reads the rows of a channel from one sequence up to another, which is left out. It
// returns where the channel goes on: no row that it did not look at has a lower sequence.
// gave are the sequences of those that it gathered: others may push them out again.
func (c *channelRows) add(channel string, from, to uint64) (next uint64, gave []uint64, err error) {
	if from >= to {
		return to, nil, nil // a client may go on beyond what is wanted of this channel
	}
	if !c.collection.db.tops.mayHave(c.collection.scope.collection, channel, from) {
		return math.MaxUint64, nil, nil
	}
	if c.shared && channel != AllChannel {
		return c.addShared(channel, from, to)
	}
	start := c.collection.scope.channel(channel, from)
	if channel == AllChannel {
		start = c.collection.scope.seq(from)
	}
	begin := len(c.given)
	pairs, failed := c.reader.Scan(engine.Range{Start: start, End: engine.PrefixEnd(start[:len(start)-8]), Limit: c.limit})
	for key, record := range pairs {
		if len(key) != len(start) {
			return 0, nil, fmt.Errorf("%w: key of a row", ErrDamaged)
		}
		seq := binary.BigEndian.Uint64(key[len(key)-8:])
		if seq >= to || c.fullBefore(seq) {
			return seq, c.given[begin:], nil
		}
		c.insertRow(newChannelRow(seq, append([]byte(nil), record...)))
		c.given = append(c.given, seq)
	}
	if err := failed(); err != nil {
		return 0, nil, fmt.Errorf("reading channel %q: %w", channel, err)
	}
	return math.MaxUint64, c.given[begin:], nil
}

func (c *channelRows) full() bool { return len(c.rows) >= c.limit }

// last is the sequence of the last row of a full page.
func (c *channelRows) last() uint64 { return c.rows[len(c.rows)-1].seq }

// fullBefore reports whether there is no room for a row of a sequence.
func (c *channelRows) fullBefore(seq uint64) bool { return c.full() && seq > c.last() }

// insertRow keeps a row in its place. Of two of a sequence, which are of one document, that
// one counts that says the document is in its channel.
func (c *channelRows) insertRow(row channelRow) {
	if c.rows == nil {
		c.rows = make([]channelRow, 0, c.limit+1)
	}
	at, found := slices.BinarySearchFunc(c.rows, row.seq, func(r channelRow, seq uint64) int { return cmp.Compare(r.seq, seq) })
	if found {
		if c.rows[at].left && !row.left {
			c.rows[at] = row
		}
		return
	}
	c.rows = slices.Insert(c.rows, at, row)
	if len(c.rows) > c.limit {
		c.rows = c.rows[:c.limit]
	}
}
