package rest

import (
	"math"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// feedKind is how a client wants to get changes.
type feedKind int

const (
	feedNormal feedKind = iota
	feedLongpoll
	feedContinuous
	feedEventSource
	feedWebSocket
)

const (
	// defaultHeartbeat is for heartbeat=true, and the longest that is waited between
	// two: a client that asks for more gets them more often, as with CouchDB.
	defaultHeartbeat = time.Minute
	// minHeartbeat bounds what a client can make ten thousand feeds cost.
	minHeartbeat = time.Second
	// defaultTimeout ends a feed without a heartbeat when nothing happened for so long.
	defaultTimeout = time.Minute
	maxTimeout     = 15 * time.Minute
	noTimeout      = time.Duration(math.MaxInt64)
)

// changesOptions are what _changes was asked for.
type changesOptions struct {
	feed feedKind
	// since is the position to go on from. With now, the current one is taken.
	since feedPosition
	now   bool
	// limit is how many rows go out at most, -1 if any number. CouchDB reads 0 as 1,
	// and so do we.
	limit      int
	descending bool
	allLeaves  bool // style=all_docs
	filter     changesFilter
	// access says who reads, and what of what they may see. Its viewer is set later.
	access syncstore.FeedOptions

	docs docOptions
	// heartbeat is the time between two signs of life, 0 for none.
	heartbeat time.Duration
	// timeout ends a feed without heartbeat.
	timeout time.Duration
}

// parseChangesOptions reads the options of _changes. lastEventID is the header that
// browsers send when they open an event source again; it goes before since.
func parseChangesOptions(p params, lastEventID string) (changesOptions, error) {
	o := changesOptions{limit: -1, timeout: defaultTimeout}
	for _, parse := range []func(params) error{
		o.parseFeed, o.parseStyle, o.parseLimit, o.parseTimes, o.parseDocs, o.parseAccess,
	} {
		if err := parse(p); err != nil {
			return changesOptions{}, err
		}
	}
	if err := o.parseSince(p, lastEventID); err != nil {
		return changesOptions{}, err
	}
	var err error
	if o.filter, err = parseFilter(p); err != nil {
		return changesOptions{}, err
	}
	return o, nil
}

func (o *changesOptions) parseFeed(p params) error {
	text, err := p.text("feed")
	if err != nil {
		return err
	}
	switch text {
	case "", "normal":
		o.feed = feedNormal
	case "longpoll":
		o.feed = feedLongpoll
	case "continuous":
		o.feed = feedContinuous
	case "eventsource":
		o.feed = feedEventSource
	case "websocket":
		o.feed = feedWebSocket
	default:
		return badRequest("Unknown feed; try normal, longpoll, continuous, eventsource or websocket.")
	}
	return nil
}

func (o *changesOptions) parseStyle(p params) error {
	text, err := p.text("style")
	if err != nil {
		return err
	}
	switch text {
	case "", "main_only":
	case "all_docs":
		o.allLeaves = true
	default:
		return badRequest("Unknown style; try main_only or all_docs.")
	}
	return nil
}

// parseSince must come after parseFeed and parseDocs.
func (o *changesOptions) parseSince(p params, lastEventID string) error {
	text, err := p.text("since")
	if err != nil {
		return err
	}
	if o.feed == feedEventSource && lastEventID != "" {
		text = lastEventID
	}
	if o.descending {
		// CouchDB pays no heed to since here, and PouchDB's suite wants it so.
		text = ""
	}
	if text == sinceNow {
		o.now = true
		return nil
	}
	o.since, err = parseSince(text)
	return err
}

func (o *changesOptions) parseLimit(p params) error {
	n, given, err := p.count("limit")
	if err != nil || !given {
		return err
	}
	o.limit = max(n, 1)
	return nil
}

func (o *changesOptions) parseTimes(p params) error {
	heartbeat, err := p.text("heartbeat")
	if err != nil {
		return err
	}
	switch heartbeat {
	case "", "false":
	case "true":
		o.heartbeat = defaultHeartbeat
	default:
		if o.heartbeat, err = milliseconds(p, "heartbeat", defaultHeartbeat); err != nil {
			return err
		}
		if o.heartbeat == 0 {
			return badRequest("The option heartbeat must be true or a positive number of milliseconds.")
		}
		o.heartbeat = max(o.heartbeat, minHeartbeat)
	}
	if p.raw("timeout") != nil {
		o.timeout, err = milliseconds(p, "timeout", maxTimeout)
	}
	return err
}

func milliseconds(p params, name string, limit time.Duration) (time.Duration, error) {
	n, _, err := p.count(name)
	if err != nil {
		return 0, err
	}
	return time.Duration(min(int64(n), limit.Milliseconds())) * time.Millisecond, nil
}

func (o *changesOptions) parseDocs(p params) error {
	if err := p.flags(map[string]*bool{"descending": &o.descending}); err != nil {
		return err
	}
	var err error
	o.docs, err = parseDocOptions(p)
	return err
}

// live reports whether the feed may wait for changes.
func (o *changesOptions) live() bool { return o.feed != feedNormal }
