package rest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
)

// byBody judges writes by what documents say of themselves: their channels, and in grants
// what they give to whom. A writer who is not an administrator must have all channels that
// "requires" names.
type byBody struct{}

func (byBody) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	var said struct {
		Channels []string            `json:"channels"`
		Grants   map[string][]string `json:"grants"`
		Requires []string            `json:"requires"`
		// Refuse is the status with which the write is refused.
		Refuse int `json:"refuse"`
	}
	if err := json.Unmarshal(write.New.Body, &said); err != nil {
		return syncstore.Outcome{}, fmt.Errorf("%w: %s", syncstore.ErrRejected, err.Error())
	}
	if said.Refuse != 0 {
		return syncstore.Outcome{}, fmt.Errorf("judging: %w", &access.RejectionError{Status: said.Refuse, Reason: "no \"good\""})
	}
	for _, channel := range said.Requires {
		if write.Writer != nil && !write.Writer.HasChannel(channel) {
			return syncstore.Outcome{}, fmt.Errorf("%w: sg missing channel access", syncstore.ErrRejected)
		}
	}
	outcome := syncstore.Outcome{Channels: said.Channels}
	if write.New.Deleted && said.Channels == nil && write.Old != nil {
		var before struct {
			Channels []string `json:"channels"`
		}
		if json.Unmarshal(write.Old.Body, &before) == nil {
			outcome.Channels = before.Channels
		}
	}
	for principal, channels := range said.Grants {
		for _, channel := range channels {
			outcome.Grants = append(outcome.Grants, syncstore.Grant{Principal: principal, Channel: channel})
		}
	}
	return outcome, nil
}
