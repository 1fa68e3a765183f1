package syncstore

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// row checks a row of the feed against its document.
func (c *checker) row(k checkedKey, value []byte) {
	row, ok := c.decodeRow(k, k.rest, value)
	if !ok {
		return
	}
	h := c.headOf(k, string(row.ID))
	switch {
	case h == nil:
		c.damage(k, string(row.ID), "it is in the feed only")
	case h.Seq != row.Seq:
		c.damage(k, string(row.ID), fmt.Sprintf("it is in the feed at %d, but was changed last at %d", row.Seq, h.Seq))
	case !sameLeaves(row, h):
		c.damage(k, string(row.ID), "the feed tells of other revisions of it")
	}
}

func (c *checker) decodeRow(k checkedKey, seq, value []byte) (*Change, bool) {
	var row Change
	if len(seq) != 8 {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a row of the feed under a key that is none"})
		return nil, false
	}
	if err := row.decode(binary.BigEndian.Uint64(seq), value); err != nil {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: fmt.Sprintf("the feed: %v", err)})
		return nil, false
	}
	return &row, true
}

// headOf returns a document, nil if there is none that can be read.
func (c *checker) headOf(k checkedKey, id string) *head {
	record, err := c.r.Get(k.scope.head(id))
	if err != nil {
		return nil
	}
	h, err := decodeHead(record)
	if err != nil {
		return nil
	}
	return h
}

func sameLeaves(row *Change, h *head) bool {
	if len(row.Leaves) != len(h.Leaves) {
		return false
	}
	for i := range h.Leaves {
		if string(row.Leaves[i].Rev) != h.Leaves[i].Rev.String() || row.Leaves[i].Deleted != h.Leaves[i].Deleted {
			return false
		}
	}
	return true
}

func (c *checker) channelRow(k checkedKey, value []byte) {
	name, rest, ok := cutTerminated(k.rest)
	if !ok {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a row of a channel under a key that is none"})
		return
	}
	row, ok := c.decodeRow(k, rest, value)
	if !ok {
		return
	}
	id := string(row.ID)
	h := c.headOf(k, id)
	switch {
	case h == nil:
		c.damage(k, id, fmt.Sprintf("it is in the feed of channel %q only", name))
	case row.left:
		if !slices.ContainsFunc(h.Spans, func(s span) bool { return s.Channel == name && s.To == row.Seq }) {
			c.damage(k, id, fmt.Sprintf("the feed of channel %q says that it left, and it does not", name))
		}
	case h.Seq != row.Seq || !slices.Contains(h.winner().Channels, name):
		c.damage(k, id, fmt.Sprintf("it is in the feed of channel %q at %d, where it is not", name, row.Seq))
	}
}
