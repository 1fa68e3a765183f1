package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// feedRetry is when a client had better try again to open a feed.
	feedRetry = 10 * time.Second
	// databasesRetry is when an administrator had better try again to make a database.
	databasesRetry = time.Minute
)

// limited is a refusal because of a limit. It is counted when it is answered.
func limited(l Limit, status int, retry time.Duration, reason string) *answerError {
	name := "too_many_requests"
	if status == http.StatusServiceUnavailable {
		name = "service_unavailable"
	}
	return &answerError{status: status, name: name, reason: reason, retryAfter: retry, limit: l, expected: true}
}

// withinRate refuses a request of a user who sends more of them than one may. Guests are
// counted by their address, and administrators not at all. A handshake of Couchbase Lite is
// refused with 503, after which clients of every version come back.
func (h *Handler) withinRate(rq *request, k kind) error {
	if h.Site.Admin != nil || rq.principal == nil || rq.principal.Admin {
		return nil
	}
	perSecond := h.Database(rq.dbName).Limits.UserRequests
	if perSecond == 0 {
		perSecond = usualUserRequests
	}
	key := usageKey{db: rq.db.ID(), user: rq.principal.Name}
	if rq.principal.Name == "" {
		if key = addressKey(clientAddress(rq)); key == (usageKey{}) {
			return nil
		}
		key.db = rq.db.ID()
	}
	if perSecond < 0 {
		return nil
	}
	wait := h.Usage.ask(key, perSecond)
	if wait == 0 {
		return nil
	}
	status := http.StatusTooManyRequests
	if k == kindBlipSync {
		status = http.StatusServiceUnavailable
	}
	return limited(LimitUserRequests, status, wait, fmt.Sprintf("A user may send %d requests a second. Try again later.", perSecond))
}

// beginFeed counts a feed that stays open; the caller ends it.
func (h *Handler) beginFeed(rq *request, k FeedKind) (end func(), err error) {
	if rq.seen != nil {
		rq.seen.Live = true
	}
	perUser := h.policy(rq).Limits.UserFeeds
	server := h.Limits
	if rq.principal.Admin {
		perUser, server = Unlimited, ServerLimits{Feeds: Unlimited, AddressFeeds: Unlimited}
	}
	end, over := h.Usage.beginFeed(k, rq, perUser, server)
	if over == "" {
		return end, nil
	}
	status := http.StatusServiceUnavailable
	reason := "The server has as many live feeds and replications open as it may. Try again later."
	switch over {
	case LimitUserFeeds:
		if k == FeedLongpoll || k == FeedContinuous {
			status = http.StatusTooManyRequests
		}
		reason = "A user may have " + strconv.Itoa(perUser) + " live feeds and replications open at once. End some, or try again later."
	case LimitAddressFeeds:
		reason = "One address may have " + strconv.Itoa(server.AddressFeeds) + " live feeds and replications open at once."
	}
	return nil, limited(over, status, feedRetry, reason)
}

// takeCounted takes a lease for a feed that outlives its request, and is counted for as long.
func (h *Handler) takeCounted(rq *request, k FeedKind) (heldLease, error) {
	if h.Draining() {
		return nil, stoppingError()
	}
	end, err := h.beginFeed(rq, k)
	if err != nil {
		return nil, err
	}
	lease, err := h.take(rq)
	if err != nil {
		end()
		return nil, err
	}
	return &countedLease{heldLease: lease, end: end}, nil
}

// roomForDatabase refuses a database over the limit.
func (h *Handler) roomForDatabase() error {
	there := len(h.Store.Databases())
	if h.Limits.Databases < 0 || there < h.Limits.Databases {
		return nil
	}
	return limited(LimitDatabases, http.StatusServiceUnavailable, databasesRetry,
		fmt.Sprintf("There are %d databases, and the server may have %d: delete some, or raise `limits { databases }`.", there, h.Limits.Databases))
}

// countedLease is a lease that ends the counting of a feed when it is given back.
type countedLease struct {
	heldLease
	end func()
}

// Close implements heldLease.
func (l *countedLease) Close() {
	l.end()
	l.heldLease.Close()
}
