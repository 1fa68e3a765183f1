package access

import (
	"context"
	"net/url"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Private is the policy "access private": a document belongs to the user who made it, who
// alone reads, changes and deletes it, besides administrators. What an administrator
// made belongs to nobody. Guests write nothing. It is a syncstore.Evaluator.
type Private struct{}

// Version names the policy.
func (Private) Version() string { return "private" }

// PrivateChannel is the channel in which a user's own documents are. The name is
// percent-encoded where a channel can not have a user's characters.
func PrivateChannel(user string) string { return "user:" + url.PathEscape(user) }

// Evaluate puts the document into its owner's channel. The error is a *RejectionError.
func (Private) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	owner := write.New.Creator
	if write.Writer != nil {
		name := write.Writer.Name()
		switch {
		case name == "":
			return syncstore.Outcome{}, forbidden("sign in to write here")
		case write.Old == nil:
			owner = name
		case owner != name:
			return syncstore.Outcome{}, forbidden("this document belongs to another user")
		}
	}
	if owner == "" {
		return syncstore.Outcome{}, nil
	}
	channel := PrivateChannel(owner)
	return syncstore.Outcome{
		Channels: []string{channel},
		Grants:   []syncstore.Grant{{Principal: owner, Channel: channel}},
	}, nil
}
