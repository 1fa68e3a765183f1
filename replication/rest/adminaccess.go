package rest

import (
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// channelLists are channels by scope and collection.
type channelLists map[string]map[string][]string

func (c channelLists) add(scope, collection, channel string) {
	if c[scope] == nil {
		c[scope] = map[string][]string{}
	}
	if list := c[scope][collection]; !slices.Contains(list, channel) {
		list = append(list, channel)
		slices.Sort(list)
		c[scope][collection] = list
	}
}

// accessHistory answers GET /{db}/_user/{name}/_access_history: the channels that the user
// had and lost. Devices are told of these losses when they come back.
func (h *Handler) accessHistory(rq *request) error {
	if _, err := h.userInfo(rq); err != nil {
		return err
	}
	lost, err := rq.db.AccessHistory(rq.r.Context(), principalOf(rq.item))
	if err != nil {
		return fmt.Errorf("reading the history of a user's channels: %w", err)
	}
	channels := channelLists{}
	for _, l := range lost {
		if l.Channel != "" {
			channels.add(l.Scope, l.Collection, l.Channel)
		}
	}
	return rq.sendValue(map[string]any{"channels": channels})
}

// compactAccessHistory answers POST /{db}/_user/{name}/_access_history/compact: the history
// of the channels that the body names is forgotten, and who has been away is no more told
// that they were lost.
func (h *Handler) compactAccessHistory(rq *request) error {
	body, err := h.readAdminBody(rq, "history", "channels")
	if err != nil {
		return err
	}
	named, err := body.takeChannels("channels")
	if err != nil {
		return err
	}
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	if _, err := a.Before(rq.item); err != nil {
		return err
	}
	for _, c := range named {
		if err := rq.knownCollection(c.Scope, c.Collection); err != nil {
			return err
		}
	}
	gone, err := rq.db.CompactAccessHistory(rq.r.Context(), principalOf(rq.item), named)
	if err != nil {
		return fmt.Errorf("forgetting the history of a user's channels: %w", err)
	}
	a.Note(auth.AccessHistoryCompacted, rq.item)
	channels := channelLists{}
	for _, c := range gone {
		channels.add(c.Scope, c.Collection, c.Channel)
	}
	return rq.sendValue(map[string]any{"compacted_channels": channels})
}

// takeChannels reads {scope: {collection: [channel, …]}}.
func (b adminBody) takeChannels(name string) ([]syncstore.ChannelOf, error) {
	var given *map[string]map[string][]string
	if err := take(b, name, &given); err != nil || given == nil {
		return nil, badRequest(`Send {"channels":{"scope":{"collection":["channel"]}}}, as GET answers it.`)
	}
	var all []syncstore.ChannelOf
	for scope, collections := range *given {
		for collection, channels := range collections {
			for _, channel := range channels {
				all = append(all, syncstore.ChannelOf{Scope: scope, Collection: collection, Channel: channel})
			}
		}
	}
	return all, nil
}

// heldGrant is who gave a channel or a role, and since when.
type heldGrant struct {
	Since uint64 `json:"since"`
	// By is admin, token or document.
	By string `json:"by"`
	// Document is the one that grants it, in Keyspace.
	Document string `json:"document,omitempty"`
	Keyspace string `json:"keyspace,omitempty"`
	// Role is the one that the user has the channel by.
	Role string `json:"role,omitempty"`
}

// principalOf is the store's name of a user. A guest is the principal without a name.
func principalOf(user string) string {
	if user == auth.GuestName {
		return ""
	}
	return user
}

// grants are those of a user.
func (rq *request) grants(info *auth.UserInfo) ([]syncstore.HeldGrant, error) {
	grants, err := rq.db.Grants(rq.r.Context(), principalOf(info.Name), info.JWTIssuer != "")
	if err != nil {
		return nil, fmt.Errorf("reading a user's grants: %w", err)
	}
	return grants, nil
}

func (rq *request) heldGrant(g *syncstore.HeldGrant) heldGrant {
	held := heldGrant{Since: g.Since, By: string(g.Source), Document: g.Document, Role: g.Via}
	if g.Document != "" {
		held.By, held.Keyspace = "document", keyspaceOf(rq.dbName, g.DocumentScope, g.DocumentCollection)
	}
	return held
}

// allChannels answers GET /{db}/_user/{name}/_all_channels: what the user has, who gave it
// and since which sequence it counts. What a token gave is in all collections, which are
// "*". The channel ! is everybody's and not in it.
func (h *Handler) allChannels(rq *request) error {
	info, err := h.userInfo(rq)
	if err != nil {
		return err
	}
	grants, err := rq.grants(&info)
	if err != nil {
		return err
	}
	channels, roles := rq.sortedGrants(grants)
	return rq.sendValue(map[string]any{"all_channels": channels, "roles": roles})
}

// allRoleChannels answers GET /{db}/_role/{name}/_all_channels likewise.
func (h *Handler) allRoleChannels(rq *request) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	if _, err := a.Role(rq.item); err != nil {
		return err
	}
	grants, err := rq.db.Grants(rq.r.Context(), syncstore.RolePrincipal(rq.item), false)
	if err != nil {
		return fmt.Errorf("reading a role's grants: %w", err)
	}
	channels, _ := rq.sortedGrants(grants)
	return rq.sendValue(map[string]any{"all_channels": channels})
}

// sortedGrants are channels by scope, collection and name, and roles by name.
func (rq *request) sortedGrants(grants []syncstore.HeldGrant) (channels map[string]map[string]map[string][]heldGrant, roles map[string][]heldGrant) {
	channels, roles = map[string]map[string]map[string][]heldGrant{}, map[string][]heldGrant{}
	for _, g := range grants {
		held := rq.heldGrant(&g)
		if g.Channel == "" {
			roles[g.Role] = append(roles[g.Role], held)
			continue
		}
		if channels[g.Scope] == nil {
			channels[g.Scope] = map[string]map[string][]heldGrant{}
		}
		if channels[g.Scope][g.Collection] == nil {
			channels[g.Scope][g.Collection] = map[string][]heldGrant{}
		}
		in := channels[g.Scope][g.Collection]
		in[g.Channel] = append(in[g.Channel], held)
	}
	return channels, roles
}
