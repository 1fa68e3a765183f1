package lite

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

const (
	defaultBatch = 200
	minBatch     = 10
	maxBatch     = 1000
	// maxDocIDs is how many documents a feed may name.
	maxDocIDs = 50_000
)

// subscription is what a client wants to hear of a collection's changes.
type subscription struct {
	since syncstore.Cursor
	// now begins with what changes from now on.
	now        bool
	continuous bool
	// batch is the highest number of changes in a message.
	batch int
	// activeOnly leaves out tombstones, among what there is when the feed begins: what is
	// deleted later may have been sent before.
	activeOnly  bool
	revocations bool
	// replacements: where a revision is gone, the client takes the current one instead.
	replacements bool
	channels     []string            // nil: all
	ids          map[string]struct{} // nil: all
}

// subChanges begins to tell a client of changes (reference/blip.md 3.4).
func (r *replication) subChanges(ks *keyspace, q *blip.Request) error {
	o, err := r.parseSubscription(q)
	if err != nil {
		return err
	}
	f := newFeed(ks, o)
	if err := ks.begin(f); err != nil {
		return err
	}
	q.Reply(&blip.Message{})
	f.start()
	return nil
}

// unsubChanges ends what subChanges began. There need be nothing to end.
func (r *replication) unsubChanges(ks *keyspace, q *blip.Request) error {
	ks.mu.Lock()
	f := ks.feed
	ks.feed = nil
	ks.mu.Unlock()
	if f != nil {
		f.unsubscribe()
	}
	q.Reply(&blip.Message{})
	return nil
}

func (r *replication) parseSubscription(q *blip.Request) (o subscription, err error) {
	p := q.Properties
	o = subscription{
		now: flag(p, "future"), continuous: flag(p, "continuous"), activeOnly: flag(p, "activeOnly"),
		// requestPlus asks for what is committed by now: that is always shown.
		revocations:  flag(p, "revocations") && r.version >= protocol3,
		replacements: flag(p, "sendReplacementRevs"),
	}
	if p.Value("versioning") == "version-vectors" && r.version < protocol4 {
		return o, refuse(http.StatusBadRequest, "Version vectors need the subprotocol "+protocol4.String()+".")
	}
	if o.since, err = parseSince(p.Value("since")); err != nil {
		return o, err
	}
	if o.batch, err = parseBatch(p); err != nil {
		return o, err
	}
	if o.channels, err = parseChannels(p); err != nil {
		return o, err
	}
	o.ids, err = parseDocIDs(q.Body)
	return o, err
}

// parseSince reads a sequence as it was told: in JSON, so that one with colons is in quotes.
// Clients are not of one mind whether they belong to it.
func parseSince(text string) (syncstore.Cursor, error) {
	if inside, quoted := strings.CutPrefix(text, `"`); quoted {
		if inside, quoted = strings.CutSuffix(inside, `"`); !quoted {
			return syncstore.Cursor{}, refuse(http.StatusBadRequest, "The property since is no sequence.")
		}
		text = inside
	}
	if text == "" {
		return syncstore.Cursor{}, nil
	}
	since, err := syncstore.ParseCursor(text)
	if err != nil {
		return since, refuse(http.StatusBadRequest, "The property since is no sequence.")
	}
	return since, nil
}

func parseBatch(p blip.Properties) (int, error) {
	text, given := p.Get("batch")
	if !given {
		return defaultBatch, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, refuse(http.StatusBadRequest, "The property batch is no number.")
	}
	return int(min(max(n, minBatch), maxBatch)), nil
}

func parseChannels(p blip.Properties) ([]string, error) {
	switch p.Value("filter") {
	case "":
		return nil, nil
	case "sync_gateway/bychannel":
	default:
		return nil, refuse(http.StatusBadRequest, "Unknown filter; try sync_gateway/bychannel")
	}
	channels := []string{}
	for name := range strings.SplitSeq(p.Value("channels"), ",") {
		if name != "" {
			channels = append(channels, name)
		}
	}
	if len(channels) == 0 {
		return nil, refuse(http.StatusBadRequest, "The filter sync_gateway/bychannel needs the property channels.")
	}
	return channels, nil
}

// parseDocIDs reads the optional body {"docIDs":[…]}. An empty list names nothing to filter by.
func parseDocIDs(body []byte) (map[string]struct{}, error) {
	if len(body) == 0 {
		return nil, nil
	}
	var ids map[string]struct{}
	err := jsondoc.Members(body, func(name string, value []byte) error {
		if name != "docIDs" || string(value) == "null" {
			return nil
		}
		return jsondoc.Elements(value, func(text []byte) error {
			id, err := jsondoc.String(text)
			if err != nil || len(ids) > maxDocIDs {
				return err
			}
			if ids == nil {
				ids = make(map[string]struct{})
			}
			ids[id] = struct{}{}
			return nil
		})
	})
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "The body of subChanges must be a JSON object with the list docIDs.")
	case len(ids) > maxDocIDs:
		return nil, refuse(http.StatusRequestEntityTooLarge, "docIDs names more than "+strconv.Itoa(maxDocIDs)+" documents.")
	}
	return ids, nil
}
