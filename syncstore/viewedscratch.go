package syncstore

import "slices"

// viewedScratch is where a page of a viewer's feed is gathered and judged. It is used again: ten
// thousand feeds that read a channel of a hundred thousand documents made four gigabytes of garbage
// in half a minute. What the last page pointed to stays until the next.
type viewedScratch struct {
	gathered channelRows
	rows     []viewedRow
	open     []*viewedRow
	// judging is the row that decide looks at, shown the one that is given to the reader.
	judging, shown Change
}

// judged returns zero rows to judge.
func (s *viewedScratch) judged(n int) []viewedRow {
	s.rows = slices.Grow(s.rows[:0], n)[:n]
	clear(s.rows)
	return s.rows
}

func (s *Store) takeScratch() *viewedScratch {
	if scratch, ok := s.scratch.Get().(*viewedScratch); ok {
		return scratch
	}
	return &viewedScratch{}
}
