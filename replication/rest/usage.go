package rest

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/auth"
)

// FeedKind is a way of following changes.
type FeedKind int

// The ways of following changes.
const (
	FeedLongpoll    FeedKind = iota // one answer for each change
	FeedContinuous                  // continuous and eventsource: a long answer
	FeedWebSocket                   // Couchbase Lite 1
	FeedReplication                 // Couchbase Lite 2 and later
	feedKinds
)

// String is the kind as metrics have it.
func (k FeedKind) String() string {
	return [feedKinds]string{"longpoll", "continuous", "websocket", "blip"}[k]
}

// FeedKinds are all of them.
var FeedKinds = [...]FeedKind{FeedLongpoll, FeedContinuous, FeedWebSocket, FeedReplication}

// Limit is a bound on what clients may do; its text is the one in configurations and metrics.
type Limit string

// All limits that a request can be refused by.
const (
	LimitRequest      Limit = "request"
	LimitDocument     Limit = "document"
	LimitAttachment   Limit = "attachment"
	LimitBulkDocs     Limit = "bulk_docs"
	LimitFind         Limit = "find"
	LimitUserFeeds    Limit = "user_feeds"
	LimitUserRequests Limit = "user_requests"
	LimitFeeds        Limit = "feeds"
	LimitAddressFeeds Limit = "address_feeds"
	LimitDatabases    Limit = "databases"
)

// Limited are all of them.
var Limited = [...]Limit{
	LimitRequest, LimitDocument, LimitAttachment, LimitBulkDocs, LimitFind, LimitUserFeeds, LimitUserRequests,
	LimitFeeds, LimitAddressFeeds, LimitDatabases,
}

// Unlimited turns a limit off, as any negative number does.
const Unlimited = -1

// ServerLimits are those of a store as a whole; 0 means the default.
type ServerLimits struct {
	Feeds        int // live feeds and replications that are open at once; 15000
	AddressFeeds int // of them, those from one address (IPv6: from one /64); 1000
	Databases    int // that administrators may make; 10000
}

func (l ServerLimits) withDefaults() ServerLimits {
	for _, one := range []struct {
		limit *int
		usual int
	}{{&l.Feeds, 15_000}, {&l.AddressFeeds, 1000}, {&l.Databases, 10_000}} {
		if *one.limit == 0 {
			*one.limit = one.usual
		}
	}
	return l
}

// usageShards is how many locks users and addresses are spread over.
const usageShards = 64

// keptBuckets is how many users of a shard are always remembered.
const keptBuckets = 1024

// Usage counts what clients have open and ask for, over all sites and configurations of a
// store.
type Usage struct {
	seed    maphash.Seed
	began   time.Time
	refused [len(Limited)]atomic.Uint64
	open    [feedKinds]atomic.Int64
	all     atomic.Int64
	shards  [usageShards]usageShard
	// feeds are those that are open, spread evenly.
	nextFeed atomic.Uint32
	feeds    [usageShards]feedShard
}

type usageShard struct {
	mu sync.Mutex
	// feeds are the numbers of open feeds, none of them 0.
	feeds map[usageKey]int
	// due is when a user's allowance of requests will be whole again.
	due map[usageKey]time.Duration
	// sweepAt is the size of due at which those who have it whole are forgotten.
	sweepAt int
}

// usageKey is a user of a database, or an address, or a database as a whole.
type usageKey struct {
	db   uint32
	user string
	addr netip.Prefix
	// whole: the database, whoever asks.
	whole bool
}

// NewUsage returns counters at 0.
func NewUsage() *Usage {
	u := &Usage{seed: maphash.MakeSeed(), began: time.Now()}
	for i := range u.shards {
		u.shards[i].feeds, u.shards[i].due = make(map[usageKey]int), make(map[usageKey]time.Duration)
	}
	return u
}

// Refused returns how many requests a limit refused.
func (u *Usage) Refused(l Limit) uint64 {
	for i, name := range Limited {
		if name == l {
			return u.refused[i].Load()
		}
	}
	return 0
}

// note counts a refusal.
func (u *Usage) note(l Limit) {
	for i, name := range Limited {
		if name == l {
			u.refused[i].Add(1)
		}
	}
}

// Open returns how many feeds of a kind are open.
func (u *Usage) Open(k FeedKind) int64 { return u.open[k].Load() }

// All returns how many feeds and replications are open.
func (u *Usage) All() int64 { return u.all.Load() }

// FeedsOf returns how many feeds of a database are open.
func (u *Usage) FeedsOf(db uint32) int {
	key := usageKey{db: db, whole: true}
	s := u.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feeds[key]
}

func (u *Usage) shard(key usageKey) *usageShard {
	return &u.shards[maphash.Comparable(u.seed, key)%usageShards]
}

// take counts an open feed of key, unless there are limit of them.
func (u *Usage) take(key usageKey, limit int) bool {
	s := u.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit >= 0 && s.feeds[key] >= limit {
		return false
	}
	s.feeds[key]++
	return true
}

func (u *Usage) give(key usageKey) {
	s := u.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feeds[key]--; s.feeds[key] <= 0 {
		delete(s.feeds, key)
	}
}

// beginFeed counts a feed that stays open, and returns what ends it, as often as it is called;
// otherwise the limit that it is over.
func (u *Usage) beginFeed(kind FeedKind, rq *request, perUser int, server ServerLimits) (end func(), over Limit) {
	f := openedBy(rq, kind)
	f.usage = u
	if n := u.all.Add(1); server.Feeds >= 0 && n > int64(server.Feeds) {
		f.giveBack()
		return nil, LimitFeeds
	}
	for count, limit := range [feedCounts]struct {
		limit int
		name  Limit
	}{ofAddress: {server.AddressFeeds, LimitAddressFeeds}, ofUser: {perUser, LimitUserFeeds}, ofDatabase: {Unlimited, ""}} {
		key := f.key(count)
		if key == (usageKey{}) {
			continue
		}
		if !u.take(key, limit.limit) {
			f.giveBack()
			return nil, limit.name
		}
		f.counted[count] = true
	}
	u.open[kind].Add(1)
	rq.doing = &f.doing
	if kind != FeedReplication { // which has several collections, and says so itself
		rq.doing.Follows(rq.coll.ScopeName(), rq.coll.Name())
	}
	u.enter(f)
	return f.end, ""
}

// clientAddress is where a request comes from.
func clientAddress(rq *request) netip.Addr { return auth.ClientOf(rq.r.Context()).Addr.Unmap() }

// addressKey is where a client is, for counting: zero if that is not known, or this machine,
// behind which may be anybody.
func addressKey(addr netip.Addr) usageKey {
	if !addr.IsValid() || addr.IsLoopback() {
		return usageKey{}
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return usageKey{}
	}
	return usageKey{addr: network}
}

// burst is for how long a user may ask at once what the limit gives them, before they have to
// wait: an app that wakes up asks for much at once.
const burst = 2 * time.Second

// ask counts a request of a user who may send perSecond of them, and returns for how long
// they have to wait, if they have to.
func (u *Usage) ask(key usageKey, perSecond int) (wait time.Duration) {
	now, each := time.Since(u.began), time.Second/time.Duration(perSecond)
	s := u.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	due := max(s.due[key], now) + each
	if late := due - now - burst; late > 0 {
		return late
	}
	if len(s.due) >= s.sweepAt {
		for other, whole := range s.due {
			if whole <= now {
				delete(s.due, other)
			}
		}
		s.sweepAt = max(keptBuckets, 2*len(s.due))
	}
	s.due[key] = due
	return 0
}
