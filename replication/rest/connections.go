package rest

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/auth"
)

const (
	// usualConnections and maxConnections are how many connections are listed at once.
	usualConnections = 100
	maxConnections   = 1000
	// maxAgent is how much of a User-Agent is kept, in bytes.
	maxAgent = 200
	// maxFollowed is how many collections are named of one connection.
	maxFollowed = 20
	// defaultFollowed is what most follow.
	defaultFollowed = defaultName + "." + defaultName
)

// Activity is what a live feed or a replication has done so far.
type Activity struct {
	sent, received atomic.Uint64
	caughtUp       atomic.Bool

	mu       sync.Mutex
	followed []string
}

// Sent counts a document that the client was sent.
func (a *Activity) Sent() { a.sent.Add(1) }

// Received counts a document of a collection that the client wrote.
func (a *Activity) Received(scope, collection string) {
	a.received.Add(1)
	a.Follows(scope, collection)
}

// CaughtUp says that the client has all there was.
func (a *Activity) CaughtUp() { a.caughtUp.Store(true) }

// Follows says which collection it is about, as may be said again and again.
func (a *Activity) Follows(scope, collection string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := defaultFollowed
	if scope != defaultName || collection != defaultName {
		name = scope + "." + collection
	}
	if len(a.followed) < maxFollowed && !slices.Contains(a.followed, name) {
		a.followed = append(a.followed, name)
	}
}

// sentUpTo is what a feed of rows has sent in all; nil is nobody's.
func (a *Activity) sentUpTo(rows int) {
	if a != nil {
		a.sent.Store(uint64(rows))
	}
}

func (a *Activity) atEnd() {
	if a != nil {
		a.CaughtUp()
	}
}

// liveFeed is a live feed or a replication that is open, and whose it is. There may be ten thousand
// of them for a day, so it is all in one piece.
type liveFeed struct {
	usage     *Usage
	kind      FeedKind
	db        uint32
	shard     uint32
	counted   [feedCounts]bool
	ended     atomic.Bool
	principal *auth.Principal
	addr      netip.Addr
	agent     string
	began     int64 // Unix nanoseconds
	doing     Activity
}

// The numbers of feeds that one counts in.
const (
	ofAddress = iota
	ofUser
	ofDatabase
	feedCounts
)

// key is what the feed counts in by; zero if it does not.
func (f *liveFeed) key(count int) usageKey {
	switch {
	case count == ofAddress:
		return addressKey(f.addr)
	case count == ofDatabase:
		return usageKey{db: f.db, whole: true}
	case f.principal.Name == "": // nobody in particular
		return usageKey{}
	}
	return usageKey{db: f.db, user: f.principal.Name}
}

// end is for when the feed is over. It may be called again.
func (f *liveFeed) end() {
	if f.ended.Swap(true) {
		return
	}
	f.giveBack()
	f.usage.leave(f)
	f.usage.open[f.kind].Add(-1)
}

// giveBack takes the feed from the numbers that it was counted in.
func (f *liveFeed) giveBack() {
	f.usage.all.Add(-1)
	for count, counted := range f.counted {
		if counted {
			f.usage.give(f.key(count))
		}
	}
}

// feedShard holds some of the open feeds.
type feedShard struct {
	mu   sync.Mutex
	open map[*liveFeed]struct{}
}

// enter remembers an open feed until leave.
func (u *Usage) enter(f *liveFeed) {
	f.shard = u.nextFeed.Add(1) % usageShards
	s := &u.feeds[f.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*liveFeed]struct{})
	}
	s.open[f] = struct{}{}
}

func (u *Usage) leave(f *liveFeed) {
	s := &u.feeds[f.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, f)
}

// feedsOpen lists what is open of a database, the newest first.
func (u *Usage) feedsOpen(db uint32, user *string) []*liveFeed {
	var list []*liveFeed
	for i := range u.feeds {
		s := &u.feeds[i]
		s.mu.Lock()
		for f := range s.open {
			if f.db == db && (user == nil || f.principal.Name == *user) {
				list = append(list, f)
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b *liveFeed) int {
		return cmp.Or(cmp.Compare(b.began, a.began), strings.Compare(a.principal.Name, b.principal.Name), a.addr.Compare(b.addr))
	})
	return list
}

// openedBy is the feed that a request opens.
func openedBy(rq *request, kind FeedKind) *liveFeed {
	agent := rq.r.UserAgent()
	return &liveFeed{
		kind: kind, db: rq.db.ID(), principal: rq.principal,
		addr:  clientAddress(rq),
		agent: strings.Clone(strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "")), // not the whole header
		began: time.Now().UnixNano(),
	}
}

// connection is an open feed or replication as it is listed.
type connection struct {
	Kind      string      `json:"kind"`
	User      string      `json:"user"`
	Method    auth.Method `json:"method"`
	Session   string      `json:"session,omitempty"`
	Address   string      `json:"address,omitempty"`
	UserAgent string      `json:"user_agent,omitempty"`
	Since     time.Time   `json:"since"`
	Keyspaces []string    `json:"keyspaces"`
	Sent      uint64      `json:"sent"`
	Received  uint64      `json:"received"`
	CaughtUp  bool        `json:"caught_up"`
}

func (f *liveFeed) describe(db string) connection {
	c := connection{
		Kind: f.kind.String(), User: f.principal.Name, Method: f.principal.Method, Session: f.principal.SessionHandle(), UserAgent: f.agent,
		Since:     time.Unix(0, f.began).UTC().Truncate(time.Millisecond),
		Keyspaces: []string{}, Sent: f.doing.sent.Load(), Received: f.doing.received.Load(), CaughtUp: f.doing.caughtUp.Load(),
	}
	if f.addr.IsValid() {
		c.Address = f.addr.String()
	}
	f.doing.mu.Lock()
	defer f.doing.mu.Unlock()
	for _, name := range f.doing.followed {
		c.Keyspaces = append(c.Keyspaces, db+"."+name)
	}
	return c
}

// connections answers GET /{db}/_connections: who follows the database now, from where, and
// what they have got of it.
func (h *Handler) connections(rq *request) error {
	if _, err := h.administration(rq); err != nil {
		return err
	}
	limit, err := rq.limitUpTo(usualConnections, maxConnections)
	if err != nil {
		return err
	}
	var user *string
	if rq.query.Has("user") {
		name := rq.query.Get("user")
		user = &name
	}
	open := h.Usage.feedsOpen(rq.db.ID(), user)
	list := make([]connection, 0, min(limit, len(open)))
	for _, f := range open[:min(limit, len(open))] {
		list = append(list, f.describe(rq.dbName))
	}
	return rq.sendValue(map[string]any{"total": len(open), "connections": list})
}
