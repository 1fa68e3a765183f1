package syncstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// judgedDocuments is of how many documents it is remembered whether their rows are seen: those of one
	// may be anywhere.
	judgedDocuments = 1000
	// listedWrites is how many documents are listed that were written since what the index covers. Of an
	// index that is further behind, any document may have been.
	listedWrites = 200
)

// indexSight says of which documents a viewer may see the rows: of those that are, since they were mapped at
// the latest, in a channel that the viewer has. It is for one snapshot.
type indexSight struct {
	index    *Index
	reader   engine.Reader
	sight    *sight
	covers   uint64              // the sequence that the index covers
	verdicts map[string]bool     // of the last documents
	written  map[string]struct{} // since covers; nil: not listed yet
	further  bool                // there are more than are listed
}

// rows says of each row whether the viewer may see it. Each document is judged once.
func (s *indexSight) rows(rows []*IndexEntry) ([]bool, error) {
	if len(s.verdicts) > judgedDocuments || s.verdicts == nil {
		s.verdicts = make(map[string]bool)
	}
	var unknown []string
	for _, row := range rows {
		if _, known := s.verdicts[row.ID]; !known {
			s.verdicts[row.ID] = false
			unknown = append(unknown, row.ID)
		}
	}
	for ids := range slices.Chunk(unknown, readsAtOnce) {
		if err := s.judge(ids); err != nil {
			return nil, err
		}
	}
	seen := make([]bool, len(rows))
	for n, row := range rows {
		seen[n] = s.verdicts[row.ID]
	}
	return seen, nil
}

func (s *indexSight) judge(ids []string) error {
	keys := make([][]byte, len(ids))
	for n, id := range ids {
		keys[n] = s.index.documentKey(id)
	}
	records, err := s.reader.GetMany(keys)
	if err != nil {
		return fmt.Errorf("reading an index: %w", err)
	}
	for n, record := range records {
		if record == nil {
			continue
		}
		channels, err := decodeIndexedChannels(record)
		if err != nil {
			return err
		}
		_, seen := s.sight.channels.sees(channels)
		if seen {
			seen, err = s.still(ids[n])
		}
		if err != nil {
			return err
		}
		s.verdicts[ids[n]] = seen
	}
	return nil
}

// still reports whether what the index has of a document is for the viewer, of whom it was when it was mapped: the
// viewer may have got the channel only when the document had left it.
func (s *indexSight) still(id string) (bool, error) {
	if err := s.list(); err != nil {
		return false, err
	}
	if _, written := s.written[id]; !written && !s.further {
		return true, nil
	}
	record, err := s.reader.Get(s.index.collection.scope.head(id)) // by itself: its body comes along
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading a document: %w", err)
	}
	h, err := decodeHead(record)
	if errors.Is(err, ErrDamagedDocument) {
		return false, nil
	}
	if err != nil || h.Seq <= s.covers {
		return err == nil, err
	}
	return slices.ContainsFunc(h.Spans, func(in span) bool {
		_, held := s.sight.channels.heldSince(in.Channel)
		return held && in.To == 0 && in.From <= s.covers
	}), nil
}

// list looks for documents that were written since what the index covers.
func (s *indexSight) list() error {
	if s.written != nil {
		return nil
	}
	ids, _, err := s.index.collection.changedAfter(s.reader, s.covers, 0, listedWrites)
	if err != nil {
		return err
	}
	s.further = len(ids) == listedWrites
	s.written = make(map[string]struct{}, len(ids))
	for _, id := range ids {
		s.written[id] = struct{}{}
	}
	return nil
}
