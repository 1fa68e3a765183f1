package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// leavesWithin leaves out of a page what the target is not to have of conflicts: a leaf that is in none of the channels
// that a push is limited to, beside one that is.
func (s *session) leavesWithin(ctx context.Context, changes []change) error {
	if !s.limitsChannels() {
		return nil
	}
	for i := range changes {
		if len(changes[i].revs) < 2 {
			continue // the feed has told of it because of its channels
		}
		kept, err := s.local.Collection.Inspect(ctx, changes[i].id)
		switch {
		case errors.Is(err, syncstore.ErrNotFound):
			changes[i].revs = nil
		case errors.Is(err, syncstore.ErrDamagedDocument): // it is not given either
		case err != nil:
			return fmt.Errorf("looking for a document's channels: %w", err)
		default:
			changes[i].revs = s.givable(kept, changes[i].revs)
		}
	}
	return nil
}

func (s *session) limitsChannels() bool {
	return len(s.o.Channels) > 0 && !slices.Contains(s.o.Channels, syncstore.AllChannel)
}

// givable are those of some revisions that are leaves in the channels, or deletions: these are told of to whom the
// document was.
func (s *session) givable(kept *syncstore.Inspection, revs []syncstore.Rev) []syncstore.Rev {
	return slices.DeleteFunc(slices.Clone(revs), func(rev syncstore.Rev) bool {
		at := slices.IndexFunc(kept.Leaves, func(l syncstore.InspectedLeaf) bool { return l.Rev == rev })
		return at < 0 || !kept.Leaves[at].Deleted && !slices.ContainsFunc(kept.Leaves[at].Channels, func(in string) bool {
			return slices.Contains(s.o.Channels, in)
		})
	})
}
