package syncstore

import "fmt"

const rowFormat = 1

const (
	rowDeleted  = 1 << iota
	rowRemoved  // in a channel's index: the document left the channel
	rowChannels // the channels that the document is in follow
	rowMany     // they are too many: the document says which
)

// maxRowChannels is how many bytes the names of channels may take in a row: it is stored once
// for each of them.
const maxRowChannels = 512

// Change is a row of the feed: one a document, at the sequence of its last change.
// Its memory is valid only until the callback that got it returns.
type Change struct {
	Seq uint64
	ID  []byte
	// Deleted is set if the winner is a tombstone.
	Deleted bool
	// Event is not 0 if the viewer sees, or lost, the document because of what was granted
	// or lost at that sequence (DECISIONS 34).
	Event uint64
	// Removed are the channels that the document left, if that is why the viewer cannot see
	// it any more.
	Removed []string
	// Revoked is set if the viewer cannot see the document any more because a channel or a
	// role was lost. The document may be in no state that the viewer ever saw.
	Revoked bool
	Version Version
	// Leaves are all leaves, the winner first.
	Leaves []ChangeLeaf

	left     bool     // in a channel's index: the document left the channel
	channels [][]byte // in a channel's index, if there are several
	many     bool     // there are several, and they are not in channels
}

// Left reports whether the document had left the channel by which the viewer had it: with
// Revoked, before that channel was lost.
func (c *Change) Left() bool { return c.left }

// Cursor is the position after the change.
func (c *Change) Cursor() Cursor { return Cursor{Event: c.Event, Seq: c.Seq} }

// clone returns a copy that lives on.
func (c *Change) clone() *Change {
	d := *c
	d.ID = append([]byte(nil), c.ID...)
	d.Leaves = make([]ChangeLeaf, len(c.Leaves))
	for i, l := range c.Leaves {
		d.Leaves[i] = ChangeLeaf{Rev: append([]byte(nil), l.Rev...), Deleted: l.Deleted}
	}
	return &d
}

// ChangeLeaf is a leaf in a row of the feed.
type ChangeLeaf struct {
	// Rev is the text "generation-digest".
	Rev     []byte
	Deleted bool
}

// encodeRow writes a row that stands for itself: nothing else has to be read to tell a
// client about the change (DECISIONS 29). Its sequence is in its key.
// channels are named in a channel's row if the document is in several.
func encodeRow(id string, h *head, removed bool, channels []string) []byte {
	e := encoder{b: make([]byte, 0, 64+len(id)+40*len(h.Leaves))}
	var flags byte
	if h.winner().Deleted {
		flags |= rowDeleted
	}
	if removed {
		flags |= rowRemoved
	}
	switch {
	case len(channels) <= 1:
	case bytesOf(channels) > maxRowChannels:
		flags |= rowMany
	default:
		flags |= rowChannels
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
	if flags&rowChannels != 0 {
		e.uvarint(uint64(len(channels)))
		for _, name := range channels {
			e.text(name)
		}
	}
	return e.b
}

func bytesOf(names []string) (n int) {
	for _, name := range names {
		n += len(name)
	}
	return n
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
	c.left, c.many = flags&rowRemoved != 0, flags&rowMany != 0
	c.Event, c.Removed, c.Revoked = 0, nil, false
	c.Version = d.version()
	c.ID = d.bytes()
	n := d.count(2)
	c.Leaves = c.Leaves[:0]
	for range n {
		deleted := d.byte()&leafDeleted != 0
		c.Leaves = append(c.Leaves, ChangeLeaf{Rev: d.bytes(), Deleted: deleted})
	}
	c.channels = c.channels[:0]
	if flags&rowChannels != 0 {
		for range d.count(1) {
			c.channels = append(c.channels, d.bytes())
		}
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
