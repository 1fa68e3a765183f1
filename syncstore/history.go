package syncstore

import (
	"fmt"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// maxParsed is how many ancestors are read: those before them are older than what is kept of any document, and a
// body has room for many times as many as there is memory for.
const maxParsed = 1 << 17

// ParseHistory reads {"start":N,"ids":[…]}, which CouchDB's replication has as _revisions: a revision
// and its ancestors, the newest first. The error wraps ErrBadHistory and says what is wrong.
func ParseHistory(text []byte) ([]Rev, error) {
	var (
		start uint64
		ids   []string
		all   uint64
	)
	err := jsondoc.Members(text, func(name string, value []byte) (err error) {
		switch name {
		case "start":
			start, err = strconv.ParseUint(string(value), 10, 64)
		case "ids":
			err = jsondoc.Elements(value, func(value []byte) error {
				if all++; len(ids) == maxParsed {
					return nil
				}
				id, err := jsondoc.String(value)
				ids = append(ids, id)
				return err
			})
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: an object with the number start and the strings ids is needed", ErrBadHistory)
	case len(ids) == 0:
		return nil, fmt.Errorf("%w: no ids", ErrBadHistory)
	case start > MaxGeneration:
		return nil, fmt.Errorf("%w: start is a generation out of range", ErrBadHistory)
	case start < all:
		return nil, fmt.Errorf("%w: more ids than generations", ErrBadHistory)
	}
	history := make([]Rev, len(ids))
	for i, id := range ids {
		history[i] = Rev{Gen: start - uint64(i), Digest: id}
	}
	for _, rev := range history[:min(len(history), 2)] {
		// Those that the store will name in answers; it checks the rest when it writes them.
		if _, err := ParseRev(rev.String()); err != nil {
			return nil, fmt.Errorf("%w: an id is no revision digest", ErrBadHistory)
		}
	}
	return history, nil
}
