package syncstore

import "slices"

// viewedScratch is where a page of a viewer's feed is gathered and judged. It is used again: ten
// thousand feeds that read a channel of a hundred thousand documents made four gigabytes of garbage
// in half a minute. What the last page pointed to stays until the next.
type viewedScratch struct {
	gathered []channelRow
	given    []uint64
	rows     []viewedRow
	open     []*viewedRow
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
