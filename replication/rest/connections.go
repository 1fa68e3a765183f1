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
	name := scope + "." + collection
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

// liveFeed is a live feed or a replication that is open, and whose it is.
type liveFeed struct {
	kind    FeedKind
	db      uint32
	user    string
	method  auth.Method
	session string // handle
	addr    netip.Addr
	agent   string
	began   time.Time
	doing   *Activity
}

// feedShard holds some of the open feeds.
type feedShard struct {
	mu   sync.Mutex
	open map[*liveFeed]struct{}
}

// enter remembers an open feed until leave is called.
func (u *Usage) enter(f *liveFeed) (leave func()) {
	s := &u.feeds[u.nextFeed.Add(1)%usageShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*liveFeed]struct{})
	}
	s.open[f] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, f)
	}
}

// feedsOpen lists what is open of a database, the newest first.
func (u *Usage) feedsOpen(db uint32, user *string) []*liveFeed {
	var list []*liveFeed
	for i := range u.feeds {
		s := &u.feeds[i]
		s.mu.Lock()
		for f := range s.open {
			if f.db == db && (user == nil || f.user == *user) {
				list = append(list, f)
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b *liveFeed) int {
		return cmp.Or(b.began.Compare(a.began), strings.Compare(a.user, b.user), a.addr.Compare(b.addr))
	})
	return list
}

// openedBy is the feed that a request opens.
func openedBy(rq *request, kind FeedKind, doing *Activity) *liveFeed {
	p := rq.principal
	agent := rq.r.UserAgent()
	return &liveFeed{
		kind: kind, db: rq.db.ID(), user: p.Name, method: p.Method, session: p.SessionHandle(),
		addr:  auth.ClientOf(rq.r.Context()).Addr.Unmap(),
		agent: strings.Clone(strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "")), // not the whole header
		began: time.Now(), doing: doing,
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
		Kind: f.kind.String(), User: f.user, Method: f.method, Session: f.session, UserAgent: f.agent, Since: f.began.UTC().Truncate(time.Millisecond),
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
