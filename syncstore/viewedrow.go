package syncstore

import "bytes"

// viewedRow is a row of a viewer's feed.
type viewedRow struct {
	channelRow
	event   uint64
	id      []byte
	head    *head // where the row alone does not say enough
	removed []string
	revoked bool
	// leaves are what the viewer may see of a document with conflicts.
	leaves []ChangeLeaf
	drop   bool
}

// fill writes the row into a change.
func (r *viewedRow) fill(c *Change) error {
	if err := c.decode(r.seq, r.record); err != nil {
		return err
	}
	c.Event, c.Removed, c.Revoked = r.event, r.removed, r.revoked
	if r.head != nil && (r.revoked || r.removed != nil) {
		winner := r.head.winner()
		c.Deleted, c.Version = winner.Deleted, r.head.Vector.Current
		c.Leaves = append(c.Leaves[:0], ChangeLeaf{Rev: winner.Rev.Append(nil), Deleted: winner.Deleted})
	}
	if r.leaves != nil {
		c.Leaves = append(c.Leaves[:0], r.leaves...)
	}
	return nil
}

// changeRows decides about rows at the sequences of their documents.
func (f *viewedFeed) changeRows(gathered []channelRow) ([]viewedRow, error) {
	return f.decide(gathered, func(row *viewedRow, change *Change) bool {
		if !row.left && f.o.ActiveOnly && change.Deleted {
			row.drop = true
		}
		if row.left && (f.o.ActiveOnly || f.fresh) {
			row.drop = true
		}
		return row.left || len(change.Leaves) > 1
	}, func(row *viewedRow) {
		if !row.left {
			row.leaves = f.leaves(row.head)
			return
		}
		l, lost := f.lost(row.head)
		if row.drop = !lost || l.revoked || l.at != row.seq; !row.drop {
			row.removed = l.left
		}
	})
}

// eventRows decides about the rows that an event brought or took.
func (f *viewedFeed) eventRows(event uint64, gathered []channelRow) ([]viewedRow, error) {
	everything := f.feed.everything()
	losses := f.tellsLosses() && len(f.feed.lostAt(event)) > 0
	return f.decide(gathered, func(row *viewedRow, change *Change) bool {
		row.event = event
		if losses {
			return true // it may be a row of either
		}
		row.drop = row.left || change.Deleted && f.fresh || row.seq >= event || f.seenBefore(change, event)
		return everything || change.many || change.Deleted || len(change.Leaves) > 1
	}, func(row *viewedRow) { f.decideEventRow(row, event, losses) })
}

// decideEventRow decides by the document about a row of an event.
func (f *viewedFeed) decideEventRow(row *viewedRow, event uint64, losses bool) {
	winner := row.head.winner()
	if since, ok := f.feed.sees(winner.Channels); ok {
		row.drop = row.left || since != event || row.head.Seq != row.seq || row.seq >= event
		if winner.Deleted {
			// News only for who may have the document from before: because it could be seen then, or,
			// whoever sees everything now, because there was no policy that kept anything from anybody.
			l, had := f.feed.lostBy(row.head)
			before := had && l.had < event || f.feed.everything()
			row.drop = row.drop || f.o.ActiveOnly || f.fresh || !before
		}
		row.leaves = f.leaves(row.head)
		return
	}
	l, lost := f.lost(row.head)
	_, visible := f.all.sees(winner.Channels)
	row.drop = !losses || !lost || !l.revoked || l.at != event || visible || row.seq != f.rowOfLoss(row.head, event)
	row.revoked = !row.drop
}

// decide sorts out rows: first looks at what the row itself says, and reports whether the
// document is needed; then looks at the document.
func (f *viewedFeed) decide(
	gathered []channelRow, first func(*viewedRow, *Change) bool, then func(*viewedRow),
) ([]viewedRow, error) {
	rows, open := f.scratch.judged(len(gathered)), f.scratch.open[:0]
	change := &f.scratch.judging
	for i := range gathered {
		row := &rows[i]
		row.channelRow = gathered[i]
		if err := change.decode(row.seq, row.record); err != nil {
			return nil, err
		}
		if first(row, change) && !row.drop {
			row.id = change.ID
			open = append(open, row)
		}
	}
	f.scratch.open = open
	if len(open) > 0 {
		if err := f.heads(open); err != nil {
			return nil, err
		}
		for _, row := range open {
			if row.head != nil {
				then(row)
			} else if err := row.unread(change); err != nil {
				return nil, err
			}
		}
	}
	kept := rows[:0]
	for i := range rows {
		if !rows[i].drop {
			kept = append(kept, rows[i])
		}
	}
	return kept, nil
}

// unread decides about a row whose document is damaged. It will not heal: if the feed stopped at it, its
// readers would get nothing any more. That the document is in its channel the row itself says, which is
// true of the winner alone; all else is passed over.
func (r *viewedRow) unread(change *Change) error {
	if r.drop = r.left || r.event != 0; r.drop {
		return nil
	}
	if err := change.decode(r.seq, r.record); err != nil {
		return err
	}
	winner := change.Leaves[0]
	r.leaves = []ChangeLeaf{{Rev: bytes.Clone(winner.Rev), Deleted: winner.Deleted}}
	return nil
}

// seenBefore reports whether the viewer sees the document of a row by another channel, since
// before the event.
func (f *viewedFeed) seenBefore(change *Change, event uint64) bool {
	for _, name := range change.channels {
		if since, ok := f.feed.heldSince(string(name)); ok && since < event {
			return true
		}
	}
	return false
}

// lost tells how a document was lost that the client may have.
func (f *viewedFeed) lost(h *head) (loss, bool) {
	if _, seen := f.feed.sees(h.winner().Channels); seen {
		return loss{}, false
	}
	l, ok := f.feed.lostBy(h)
	return l, ok && (f.o.Lags || l.had <= f.had)
}

// rowOfLoss is the sequence of the document's row in the channels that were lost at an
// event: the last of them, where there are several.
func (f *viewedFeed) rowOfLoss(h *head, event uint64) uint64 {
	var last uint64
	for _, name := range f.feed.lostAt(event) {
		if name == AllChannel {
			last = h.Seq
		}
		for _, s := range h.Spans {
			if s.Channel != name {
				continue
			}
			if s.To == 0 {
				last = max(last, h.Seq)
			} else if s.To > last {
				last = s.To
			}
		}
	}
	return last
}

// leaves are the leaves of a document that the viewer may see, nil if there is one only.
func (f *viewedFeed) leaves(h *head) []ChangeLeaf {
	if len(h.Leaves) == 1 {
		return nil
	}
	var leaves []ChangeLeaf
	for i := range h.Leaves {
		l := &h.Leaves[i]
		if _, ok := f.all.sees(l.Channels); ok {
			leaves = append(leaves, ChangeLeaf{Rev: l.Rev.Append(nil), Deleted: l.Deleted})
		}
	}
	return leaves
}
