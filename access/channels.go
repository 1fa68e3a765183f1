package access

import (
	"context"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// Channels is the policy "access channels": a document is in the channels that its member
// "channels" names, a string or an array of strings, as with Sync Gateway's default
// function. Everybody who may come in may write: who can change a document can change its
// channels. It is a syncstore.Evaluator.
type Channels struct{}

// Version names the policy.
func (Channels) Version() string { return "channels" }

// Evaluate reads the document's channels. Elements that are no strings are left out. A name
// that no channel can have is a *RejectionError with 403.
func (Channels) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	var outcome syncstore.Outcome
	add := func(value []byte) error {
		if len(value) == 0 || value[0] != '"' {
			return nil
		}
		name, err := jsondoc.String(value)
		if err != nil {
			return err
		}
		if err := checkChannel(name); err != nil {
			return forbidden("the document's channels: " + err.Error())
		}
		if len(outcome.Channels) == maxChannels {
			return forbidden(fmt.Sprintf("the document's channels: more than %d", maxChannels))
		}
		outcome.Channels = append(outcome.Channels, name)
		return nil
	}
	err := jsondoc.Members(write.New.Body, func(name string, value []byte) error {
		switch {
		case name != "channels" || len(value) == 0:
			return nil
		case value[0] == '[':
			return jsondoc.Elements(value, add)
		}
		return add(value)
	})
	if err != nil {
		return syncstore.Outcome{}, err
	}
	return outcome, nil
}
