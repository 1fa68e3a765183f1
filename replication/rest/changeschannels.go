package rest

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// byChannel is the name of the filter that shows documents of some channels only.
const byChannel = "sync_gateway/bychannel"

// parseAccess reads what of what they may see a client wants.
func (o *changesOptions) parseAccess(p params) error {
	if err := p.flags(map[string]*bool{
		"revocations": &o.access.Revocations, "active_only": &o.access.ActiveOnly,
	}); err != nil {
		return err
	}
	filter, err := p.text("filter")
	if err != nil || filter != byChannel {
		return err
	}
	raw := p.raw("channels")
	if raw == nil {
		return badRequest("Missing 'channels' filter parameter")
	}
	o.access.Channels, err = parseChannels(raw)
	return err
}

// parseChannels reads a JSON array of names, or names with commas between them, which no
// channel has in its name.
func parseChannels(raw []byte) ([]string, error) {
	if bytes.Count(raw, []byte{','}) >= maxNamed {
		return nil, tooManyNamed()
	}
	var names []string
	if json.Unmarshal(raw, &names) != nil {
		var list string
		if json.Unmarshal(raw, &list) != nil {
			list = string(raw)
		}
		names = strings.Split(list, ",")
	}
	channels := make([]string, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if name != "" && !seen[name] {
			seen[name] = true
			channels = append(channels, name)
		}
	}
	if len(channels) == 0 {
		return nil, badRequest("Empty channel list")
	}
	return channels, nil
}

// plain reports whether a feed shows every change to everybody: then a document's row can
// be made without the feed, and the rows that are left can be estimated.
func plain(viewer *syncstore.Viewer, policy syncstore.Policy, o *syncstore.FeedOptions) bool {
	return (viewer == nil || policy.Evaluator == nil) && o.Channels == nil && !o.ActiveOnly
}
