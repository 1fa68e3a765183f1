package syncstore

import (
	"context"
	"fmt"
)

// errNotConfigured is what all but administrators get from a collection that is closed.
var errNotConfigured = fmt.Errorf("%w: the configuration does not have this collection any more", ErrUnavailable)

// ClosedPolicy is the policy of a collection that the configuration does not have any more: nobody but
// administrators reads or writes there. What they write is in no channel, as by the policy by which all see
// everything. Others come by what began under a configuration before: they are told to come again, and then that
// it is not there. By a refusal they would take the document for one that the server does not want, and never send
// it again, though the collection may be back soon.
func ClosedPolicy() Policy {
	return Policy{Evaluator: closed{}, Version: SharedVersion, Closed: true}
}

// closed refuses writes.
type closed struct{}

// Evaluate implements Evaluator.
func (closed) Evaluate(_ context.Context, write Evaluation) (Outcome, error) {
	if write.Writer != nil {
		return Outcome{}, errNotConfigured
	}
	return Outcome{}, nil
}

// closedTo is ErrUnavailable for those who may not even be told what is not there. It is asked after
// seesAll: between the two, a policy by which everybody sees everything may become one that is closed.
func (c *Collection) closedTo(v *Viewer) error {
	if v != nil && c.policy.Load().Closed {
		return errNotConfigured
	}
	return nil
}
