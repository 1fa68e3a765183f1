package peer

import (
	"context"

	"github.com/caddysync/caddy-sync/syncstore"
)

// eachRevision calls fn with those revisions of a document that are here, of what is named, or all leaves. A document may
// have thousands, each as large as a document may be: few of them are in memory at once.
func (l *Local) eachRevision(
	ctx context.Context, id string, revs []syncstore.Rev, o syncstore.GetOptions, fn func(*syncstore.Document) error,
) error {
	o.Most = giveBytes
	for {
		results, err := l.Collection.GetRevs(ctx, id, revs, o)
		if err != nil {
			return err
		}
		revs = nil
		for _, result := range results {
			switch {
			case result.Unread:
				revs = append(revs, result.Rev)
			case result.Doc == nil:
			default:
				if err := fn(result.Doc); err != nil {
					return err
				}
			}
		}
		if len(revs) == 0 {
			return nil
		}
	}
}
