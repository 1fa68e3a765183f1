package rest

import (
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore"
)

// revsAtOnce is about how many bytes of a document's revisions are in memory at once, beside the largest of
// them: a document may have thousands of leaves and superseded revisions, each as large as a document may be.
const revsAtOnce = 1 << 20

// readLeft reads a revision for which there was no room beside the others. It is nil if it went meanwhile, or
// must not be seen any more.
func (rq *request) readLeft(id string, result *syncstore.RevResult, history bool) error {
	if !result.Unread {
		return nil
	}
	read, err := rq.coll.GetRevs(rq.r.Context(), id, []syncstore.Rev{result.Rev}, syncstore.GetOptions{History: history, Viewer: rq.viewer()})
	if errors.Is(err, syncstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a revision: %w", err)
	}
	*result = read[0]
	return nil
}

// onceEach leaves out what is named again.
func onceEach(revs []syncstore.Rev) []syncstore.Rev {
	seen := make(map[syncstore.Rev]struct{}, len(revs))
	once := revs[:0]
	for _, rev := range revs {
		if _, again := seen[rev]; !again {
			seen[rev] = struct{}{}
			once = append(once, rev)
		}
	}
	return once
}
