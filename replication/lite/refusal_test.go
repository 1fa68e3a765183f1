package lite

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"github.com/stretchr/testify/require"
)

// What can become right by itself is 503, never 500: by that a client gives a document up
// (reference/blip.md 0.6).
func TestErrorsAsClientsUnderstandThem(t *testing.T) {
	t.Parallel()
	for err, code := range map[error]int{
		syncstore.ErrConflict: 409, syncstore.ErrNotFound: 404, syncstore.ErrDeleted: 404, syncstore.ErrTooLarge: 413, blip.ErrLimit: 413,
		syncstore.ErrBadVersion: 422, syncstore.ErrBadID: 400, syncstore.ErrBadRevision: 400, syncstore.ErrBadHistory: 400,
		syncstore.ErrMissingStub: 400, jsondoc.ErrSyntax: 400, jsondoc.ErrDuplicate: 400, jsondoc.ErrUTF8: 400, jsondoc.ErrDepth: 400, jsondoc.ErrMembers: 400,
		jsondoc.ErrNotObject: 400, jsondoc.ErrNotArray: 400, jsondoc.ErrNotString: 400, syncstore.ErrUnavailable: 503,
		syncstore.ErrInsufficientStorage: 503, syncstore.ErrNoDatabase: 503, syncstore.ErrDamaged: 503, syncstore.ErrDamagedDocument: 500,
		syncstore.ErrUploadExpired: 503,
		errors.New("anything"):     503, syncstore.ErrClockAhead: 503, syncstore.ErrRejected: 403,
		&access.RejectionError{Status: 403, Reason: "no"}: 403, &access.RejectionError{Status: 401, Reason: "no"}: 403,
		&access.RejectionError{Status: 500, Reason: "Exception in JS sync function"}: 503,
	} {
		refusal := asRefusal(fmt.Errorf("doing something: %w", err))
		require.Equal(t, code, refusal.code, err)
		require.Equal(t, domainHTTP, refusal.domain)
		require.NotEmpty(t, refusal.text)
	}
	require.Zero(t, asRefusal(&access.RejectionError{Status: 500}).drop, "it would fail at once again")
	require.Zero(t, asRefusal(syncstore.ErrDamagedDocument).drop, "it will not heal")
	require.Equal(t, dropAfter, asRefusal(syncstore.ErrUnavailable).drop, "a client sends it again only by a new connection")
	require.Equal(t, dropLater, asRefusal(syncstore.ErrClockAhead).drop)
}

// A device whose clock is ahead comes back once a minute, not at once and for ever.
func TestDecision24_VersionsAheadAreTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol4)
	ahead := syncstore.Version{Time: uint64(time.Now().Add(time.Hour).UnixNano())}
	ahead.Source[0] = 1
	text := c.refused(503, "rev", `{}`, "id", "doc", "rev", ahead.String())
	require.Contains(t, text, "clock")
	c.push("other", versionAt(1, sourceX), `{}`)
}
