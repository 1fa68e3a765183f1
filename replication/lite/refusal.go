package lite

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// domainHTTP is the domain of our errors: clients know no other for what they can act on
// (reference/blip.md 2.8).
const domainHTTP = "HTTP"

// refusal is an error that a client is answered with.
type refusal struct {
	domain string
	code   int
	text   string
	// drop ends the connection after the answer: the client sends again what was refused for
	// now only when it has connected anew (reference/blip.md 3.10). So long after: 0 for never.
	drop  time.Duration
	cause error // for the log only
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.cause }

const (
	// dropAfter is how long an answer has to reach the client before the connection is
	// dropped.
	dropAfter = time.Second
	// dropLater is how soon a device tries again what will not be right at once: its clock is
	// ahead, the disk is full. What it pulls, and pushes else, goes on until then.
	dropLater = time.Minute
)

func refuse(code int, text string) *refusal {
	return &refusal{domain: domainHTTP, code: code, text: text}
}

// later refuses what may be tried again.
func later(text string, cause error) *refusal {
	return &refusal{domain: domainHTTP, code: http.StatusServiceUnavailable, text: text, drop: dropAfter, cause: cause}
}

var (
	errMissing  = refuse(http.StatusNotFound, "missing")
	errConflict = refuse(http.StatusConflict, "Document update conflict")
	errReadOnly = refuse(http.StatusForbidden, "This access is read-only.")
)

// asRefusal turns any error into an answer. What it does not know may go away by itself, so
// it is no reason for the client to give a document up: 503, and a new connection.
func asRefusal(err error) *refusal {
	if known, ok := errors.AsType[*refusal](err); ok {
		return known
	}
	fixed := func(code int) *refusal { return refuse(code, err.Error()) }
	switch {
	case errors.Is(err, syncstore.ErrConflict):
		return errConflict
	case errors.Is(err, syncstore.ErrNotFound), errors.Is(err, syncstore.ErrDeleted):
		return errMissing
	case errors.Is(err, syncstore.ErrRejected):
		return rejected(err)
	case errors.Is(err, syncstore.ErrTooLarge), errors.Is(err, blip.ErrLimit):
		return fixed(http.StatusRequestEntityTooLarge)
	case errors.Is(err, syncstore.ErrBadVersion):
		return fixed(http.StatusUnprocessableEntity)
	case errors.Is(err, syncstore.ErrBadID), errors.Is(err, syncstore.ErrBadRevision), errors.Is(err, syncstore.ErrBadHistory),
		errors.Is(err, syncstore.ErrMissingStub), errors.Is(err, syncstore.ErrBadCursor), badJSON(err):
		return fixed(http.StatusBadRequest)
	case errors.Is(err, syncstore.ErrClockAhead):
		refused := later("The revision's version is ahead of this server's clock: is the device's clock right?", nil)
		refused.drop = dropLater
		return refused
	case errors.Is(err, syncstore.ErrInsufficientStorage):
		refused := later("The server's disk is full.", err)
		refused.drop = dropLater
		return refused
	case errors.Is(err, syncstore.ErrDamagedDocument):
		// It will not heal: the client is to report it, and to go on with the others.
		return &refusal{domain: domainHTTP, code: http.StatusInternalServerError, text: "The document is damaged.", cause: err}
	case errors.Is(err, syncstore.ErrUnavailable), errors.Is(err, syncstore.ErrNoDatabase):
		return later("The store is not available for this at the moment.", err)
	}
	return later("The server failed. Its log says more.", err)
}

func badJSON(err error) bool {
	for _, is := range [...]error{
		jsondoc.ErrSyntax, jsondoc.ErrDuplicate, jsondoc.ErrUTF8, jsondoc.ErrDepth, jsondoc.ErrMembers, jsondoc.ErrNotObject,
		jsondoc.ErrNotArray, jsondoc.ErrNotString,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// rejected answers what a policy refused, in its words. A function that failed is no reason
// for the client to give the document up, as it would by 500, nor to try at once again: it
// tries with its next connection, which it makes at the latest when the function is mended.
func rejected(err error) *refusal {
	r, ok := errors.AsType[*access.RejectionError](err)
	switch {
	case !ok:
		return refuse(http.StatusForbidden, strings.TrimPrefix(err.Error(), syncstore.ErrRejected.Error()+": "))
	case r.Status == http.StatusForbidden, r.Status == http.StatusUnauthorized:
		// 401 to a rev means nothing to a client; by 403 the app is told (reference/blip.md 3.10).
		return refuse(http.StatusForbidden, r.Reason)
	}
	return &refusal{domain: domainHTTP, code: http.StatusServiceUnavailable, text: r.Reason, cause: err}
}
