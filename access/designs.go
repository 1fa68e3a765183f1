package access

import (
	"context"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Designs is a policy for a collection with design documents: of these the policy is not
// asked, since they are no data. One is in the channels that its member "channels" names, as
// with Channels, so that an administrator can hand it out to those who are to have it; others
// see it only if they see everything. That only administrators write them the store sees to.
type Designs struct {
	// Evaluator is asked about all other documents.
	syncstore.Evaluator
}

// Evaluate implements syncstore.Evaluator.
func (d Designs) Evaluate(ctx context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	if syncstore.IsDesign(write.New.ID) {
		return Channels{}.Evaluate(ctx, write)
	}
	return d.Evaluator.Evaluate(ctx, write)
}
