package rest

import (
	"slices"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// usualReaders and maxReaders are how many users are listed at once.
	usualReaders = 50
	maxReaders   = 1000
	// readersLookedAt is how many users one request looks at, most of whom may see nothing.
	readersLookedAt = 1000
)

// documentReaders is the answer of GET /{keyspace}/_readers/{doc}.
type documentReaders struct {
	ID string `json:"id"`
	// Channels are those of all leaves: who sees one of them sees the document.
	Channels []string `json:"channels"`
	// Everybody says why all who may come in see the document; "" if they do not.
	Everybody string   `json:"everybody,omitempty"`
	Users     []reader `json:"users"`
	// Next is the user from whom on the next request looks.
	Next string `json:"next,omitempty"`
}

// reader is somebody who sees the document, by each of the grants.
type reader struct {
	Name     string      `json:"name"`
	Disabled bool        `json:"disabled,omitempty"`
	By       []readGrant `json:"by"`
}

type readGrant struct {
	Channel string `json:"channel"`
	heldGrant
}

// readersOf answers GET /{keyspace}/_readers/{doc}: which users see a document, by which of
// their channels, and who gave them those. It looks at some users at a time, by name.
func (h *Handler) readersOf(rq *request) error {
	limit, err := rq.limitUpTo(usualReaders, maxReaders)
	if err != nil {
		return err
	}
	found, err := h.inspect(rq)
	if err != nil {
		return err
	}
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	answer := documentReaders{ID: found.ID, Channels: channelsOf(found), Users: []reader{}}
	switch {
	case rq.coll.Policy().Evaluator == nil:
		answer.Everybody = "shared"
	case slices.Contains(answer.Channels, syncstore.PublicChannel):
		answer.Everybody = "channel"
	default:
		if err := rq.findReaders(a, &answer, limit); err != nil {
			return err
		}
	}
	return rq.sendValue(answer)
}

func channelsOf(i *syncstore.Inspection) []string {
	channels := []string{}
	for n := range i.Leaves {
		channels = append(channels, i.Leaves[n].Channels...)
	}
	slices.Sort(channels)
	return slices.Compact(channels)
}

// findReaders looks at users from the query's startkey on.
func (rq *request) findReaders(a *auth.Administration, into *documentReaders, limit int) error {
	names, err := a.UserNames()
	if err != nil {
		return err
	}
	from, _ := slices.BinarySearch(names, rq.query.Get("startkey"))
	for n, name := range names[from:] {
		if n == readersLookedAt || len(into.Users) == limit {
			into.Next = name
			return nil
		}
		info, err := a.Before(name)
		if err != nil {
			return err
		}
		by, err := rq.grantsOn(&info, into.Channels)
		if err != nil {
			return err
		}
		if len(by) > 0 {
			into.Users = append(into.Users, reader{Name: name, Disabled: info.Disabled, By: by})
		}
	}
	return nil
}

// grantsOn are the grants of a user by which they see what is in one of the channels.
func (rq *request) grantsOn(info *auth.UserInfo, channels []string) ([]readGrant, error) {
	held, err := rq.grants(info)
	if err != nil {
		return nil, err
	}
	var by []readGrant
	for _, g := range held {
		here := g.Scope == everywhere || g.Scope == rq.coll.ScopeName() && g.Collection == rq.coll.Name()
		if g.Channel != "" && here && (g.Channel == syncstore.AllChannel || slices.Contains(channels, g.Channel)) {
			by = append(by, readGrant{g.Channel, rq.heldGrant(&g)})
		}
	}
	return by, nil
}
