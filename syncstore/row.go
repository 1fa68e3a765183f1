package syncstore

import "fmt"

const rowFormat = 1

const (
	rowDeleted = 1 << iota
	rowRemoved // in a channel's index: the document left the channel
)

// Change is a row of the feed: one a document, at the sequence of its last change.
// Its memory is valid only until the callback that got it returns.
type Change struct {
	Seq uint64
	ID  []byte
	// Deleted is set if the winner is a tombstone.
	Deleted bool
	// Removed is set, in a channel's feed, if the document left the channel.
	Removed bool
	Version Version
	// Leaves are all leaves, the winner first.
	Leaves []ChangeLeaf
}

// ChangeLeaf is a leaf in a row of the feed.
type ChangeLeaf struct {
	// Rev is the text "generation-digest".
	Rev     []byte
	Deleted bool
}

// encodeRow writes a row that stands for itself: nothing else has to be read to tell a
// client about the change (DECISIONS 29). Its sequence is in its key.
func encodeRow(id string, h *head, removed bool) []byte {
	e := encoder{b: make([]byte, 0, 64+len(id)+40*len(h.Leaves))}
	var flags byte
	if h.winner().Deleted {
		flags |= rowDeleted
	}
	if removed {
		flags |= rowRemoved
	}
	e.byte(rowFormat)
	e.byte(flags)
	e.version(h.Vector.Current)
	e.text(id)
	e.uvarint(uint64(len(h.Leaves)))
	for i := range h.Leaves {
		l := &h.Leaves[i]
		var flags byte
		if l.Deleted {
			flags = leafDeleted
		}
		e.byte(flags)
		e.uvarint(uint64(len(l.Rev.Digest) + 1 + decimalLen(l.Rev.Gen)))
		e.b = l.Rev.Append(e.b)
	}
	return e.b
}

// decode reads a row into c, which shares memory with record.
func (c *Change) decode(seq uint64, record []byte) error {
	d := decoder{b: record}
	if format := d.byte(); format != rowFormat && d.err == nil {
		return fmt.Errorf("%w: row format %d", ErrDamaged, format)
	}
	flags := d.byte()
	c.Seq = seq
	c.Deleted = flags&rowDeleted != 0
	c.Removed = flags&rowRemoved != 0
	c.Version = d.version()
	c.ID = d.bytes()
	n := d.count(2)
	c.Leaves = c.Leaves[:0]
	for range n {
		deleted := d.byte()&leafDeleted != 0
		c.Leaves = append(c.Leaves, ChangeLeaf{Rev: d.bytes(), Deleted: deleted})
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("reading row %d: %w", seq, err)
	}
	if n == 0 {
		return fmt.Errorf("%w: row %d without a leaf", ErrDamaged, seq)
	}
	return nil
}

func decimalLen(v uint64) int {
	n := 1
	for v >= 10 {
		v /= 10
		n++
	}
	return n
}
