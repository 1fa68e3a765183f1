package rest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"go.uber.org/zap"
)

// answerError is an answer that refuses, in CouchDB's shape.
type answerError struct {
	status       int
	name         string // the "error" member
	reason       string
	allow        string // Allow header of a 405
	contentRange string // Content-Range header of a 416
	challenges   []string
	retryAfter   time.Duration
	cause        error // for the log only
	limit        Limit // why it is refused, if it is a limit
	// expected: nothing is wrong with the server, and nothing to log.
	expected bool
}

func (e *answerError) Error() string {
	if e.cause != nil {
		return e.name + ": " + e.reason + ": " + e.cause.Error()
	}
	return e.name + ": " + e.reason
}

func (e *answerError) Unwrap() error { return e.cause }

var (
	errNoDatabaseFile = &answerError{status: http.StatusNotFound, name: "not_found", reason: "no_db_file"}
	errReservedID     = illegalID("Only reserved document ids may start with underscore.")
	errConflict       = &answerError{status: http.StatusConflict, name: "conflict", reason: "Document update conflict."}
	errBadRev         = badRequest("Invalid rev format")
	errNoAttachment   = notFound("Document is missing attachment")
)

func badRequest(reason string) *answerError {
	return &answerError{status: http.StatusBadRequest, name: "bad_request", reason: reason}
}

func docValidation(reason string) *answerError {
	return &answerError{status: http.StatusBadRequest, name: "doc_validation", reason: reason}
}

func illegalID(reason string) *answerError {
	return &answerError{status: http.StatusBadRequest, name: "illegal_docid", reason: reason}
}

func forbidden(reason string) *answerError {
	return &answerError{status: http.StatusForbidden, name: "forbidden", reason: reason}
}

func notFound(reason string) *answerError {
	return &answerError{status: http.StatusNotFound, name: "not_found", reason: reason}
}

// loginRequired is what auth answers to a request without credentials.
func loginRequired() *answerError {
	return &answerError{
		status: http.StatusUnauthorized, name: "unauthorized", reason: "Login required",
		challenges: []string{`Bearer realm="caddy-sync"`},
	}
}

func methodNotAllowed(allow string) *answerError {
	return &answerError{
		status: http.StatusMethodNotAllowed, name: "method_not_allowed",
		reason: "Only " + allow + " allowed", allow: allow,
	}
}

func tooLarge(l Limit, name, reason string) *answerError {
	return &answerError{status: http.StatusRequestEntityTooLarge, name: name, reason: reason, limit: l}
}

func badContentType(reason string) *answerError {
	return &answerError{status: http.StatusUnsupportedMediaType, name: "bad_content_type", reason: reason}
}

func notAcceptable(reason string) *answerError {
	return &answerError{status: http.StatusNotAcceptable, name: "not_acceptable", reason: reason}
}

func unavailable(reason string, cause error) *answerError {
	return &answerError{
		status: http.StatusServiceUnavailable, name: "service_unavailable", reason: reason,
		retryAfter: 2 * time.Second, cause: cause,
	}
}

// errorRule says how an error of the layers below is answered.
type errorRule struct {
	is     error
	answer func(err error) *answerError
}

func fixed(a *answerError) func(error) *answerError {
	return func(error) *answerError { return a }
}

// errorRules are tried in order.
func errorRules() []errorRule {
	return []errorRule{
		{syncstore.ErrDeleted, fixed(notFound("deleted"))},
		{syncstore.ErrNotFound, fixed(notFound("missing"))},
		{syncstore.ErrConflict, fixed(errConflict)},
		{syncstore.ErrBadID, func(err error) *answerError { return illegalID(err.Error()) }},
		{syncstore.ErrBadRevision, fixed(errBadRev)},
		{syncstore.ErrBadHistory, func(err error) *answerError { return docValidation(err.Error()) }},
		{syncstore.ErrMissingStub, func(err error) *answerError {
			return &answerError{status: http.StatusPreconditionFailed, name: "missing_stub", reason: err.Error()}
		}},
		{syncstore.ErrTooLarge, func(err error) *answerError { return tooLarge(LimitDocument, "document_too_large", err.Error()) }},
		{syncstore.ErrRejected, rejected},
		{syncstore.ErrDatabaseExists, fixed(&answerError{
			status: http.StatusPreconditionFailed, name: "file_exists",
			reason: "The database could not be created, the file already exists.",
		})},
		{syncstore.ErrNoDatabase, fixed(errNoDatabaseFile)},
		{syncstore.ErrBadDatabaseName, fixed(&answerError{
			status: http.StatusBadRequest, name: "illegal_database_name",
			reason: "A database name begins with a-z and has only a-z, 0-9 and _$()+-/ after that.",
		})},
		{syncstore.ErrInsufficientStorage, storeFull},
		{syscall.ENOSPC, insufficientStorage},
		{syncstore.ErrUnavailable, func(err error) *answerError {
			answer := unavailable("The store is not available for this at the moment. Try again.", err)
			answer.expected = true // the store logs when it begins to refuse writes, and when it ends
			return answer
		}},
		{syncstore.ErrIndexDropped, func(err error) *answerError {
			return unavailable("The index of the query is gone or is made anew: its design document was changed, or a document of many rows was purged. Ask again.", err)
		}},
		{syncstore.ErrClockAhead, func(err error) *answerError { return unavailable(err.Error(), err) }},
		{jsondoc.ErrNotObject, fixed(badRequest("The body must be a JSON object."))},
		{jsondoc.ErrNotArray, badJSON}, {jsondoc.ErrNotString, badJSON},
		{jsondoc.ErrSyntax, badJSON}, {jsondoc.ErrDuplicate, badJSON},
		{jsondoc.ErrUTF8, badJSON}, {jsondoc.ErrDepth, badJSON}, {jsondoc.ErrMembers, badJSON},
		{io.ErrUnexpectedEOF, func(err error) *answerError {
			return &answerError{status: http.StatusBadRequest, name: "bad_request", reason: "The body ends too early.", cause: err}
		}},
		{gzip.ErrHeader, badGzip}, {gzip.ErrChecksum, badGzip},
	}
}

// rejected is the answer to a write that a policy refused, in the policy's words.
func rejected(err error) *answerError {
	if bad, ok := errors.AsType[*design.Error](err); ok { // a design document that is written
		return &answerError{status: http.StatusBadRequest, name: bad.Name, reason: bad.Reason}
	}
	r, ok := errors.AsType[*access.RejectionError](err)
	switch {
	case ok && r.Name != "":
		return &answerError{status: r.Status, name: r.Name, reason: r.Reason}
	case !ok:
		return forbidden(strings.TrimPrefix(err.Error(), syncstore.ErrRejected.Error()+": "))
	case r.Status == http.StatusForbidden:
		return forbidden(r.Reason)
	case r.Status == http.StatusUnauthorized:
		answer := loginRequired()
		answer.reason = r.Reason
		return answer
	}
	return &answerError{status: r.Status, name: "internal_server_error", reason: r.Reason, cause: err}
}

func badGzip(err error) *answerError {
	return &answerError{status: http.StatusBadRequest, name: "bad_request", reason: "The gzip encoding is damaged.", cause: err}
}

func badJSON(err error) *answerError {
	return badRequest("Invalid JSON: " + err.Error())
}

// typeOf names what a value of the wrong type stands for, in place of where in it that is seen.
func typeOf(name string, err error) error {
	for _, kind := range []struct {
		is   error
		want string
	}{
		{jsondoc.ErrNotString, "a string"}, {jsondoc.ErrNotArray, "an array"}, {jsondoc.ErrNotObject, "a JSON object"},
	} {
		if errors.Is(err, kind.is) {
			return badRequest(name + " must be " + kind.want + ".")
		}
	}
	return err
}

// storeFull is the answer to a write for which there is no room. The store logs when that begins
// and when it ends, so not each of them is an entry of the log.
func storeFull(err error) *answerError {
	answer := insufficientStorage(err)
	answer.expected = true
	return answer
}

func insufficientStorage(err error) *answerError {
	return &answerError{
		status: http.StatusInsufficientStorage, name: "insufficient_storage",
		reason: "The server's disk is full.", cause: err,
	}
}

// asAnswer turns any error into an answer. What it does not know is a 500 whose text
// stays in the log.
func asAnswer(err error) *answerError {
	if answer, ok := errors.AsType[*answerError](err); ok {
		return answer
	}
	if refused, ok := errors.AsType[*auth.Error](err); ok {
		return &answerError{
			status: refused.Status, name: refused.Name, reason: refused.Reason,
			challenges: refused.Challenges, retryAfter: refused.RetryAfter,
		}
	}
	if limit, over := bodyLimit(err); over {
		return tooLarge(LimitRequest, "too_large", "The body of the request is over "+strconv.FormatInt(limit, 10)+" bytes.")
	}
	if _, damaged := errors.AsType[flate.CorruptInputError](err); damaged {
		return badGzip(err)
	}
	for _, rule := range errorRules() {
		if errors.Is(err, rule.is) {
			return rule.answer(err)
		}
	}
	return &answerError{
		status: http.StatusInternalServerError, name: "internal_server_error",
		reason: "The server failed. Its log says more.", cause: err,
	}
}

// fail writes err as the answer, or cuts the connection if the answer has begun.
func (h *Handler) fail(rq *request, err error) {
	if ended := rq.guard.check(); ended != nil {
		err = ended // with it the request's context ends: what failed by that is no fault of the server
	}
	answer := asAnswer(err)
	h.logFailure(rq, answer, err)
	h.Usage.note(answer.limit)
	if rq.seen != nil {
		rq.seen.Failure = answer.status
	}
	if rq.answered {
		panic(http.ErrAbortHandler)
	}
	header := rq.w.Header()
	for _, key := range [...]string{
		"Etag", "Content-Length", "Content-Type", "Content-Disposition", "Content-Range",
		"Content-Security-Policy", "Accept-Ranges", "Location",
	} {
		delete(header, key)
	}
	if answer.allow != "" {
		rq.set("Allow", answer.allow)
	}
	if answer.contentRange != "" {
		rq.set("Content-Range", answer.contentRange)
	}
	for _, challenge := range answer.challenges {
		header.Add("Www-Authenticate", challenge)
	}
	if answer.retryAfter > 0 {
		seconds := int64((answer.retryAfter + time.Second - 1) / time.Second)
		rq.set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	body := appendErrorMembers([]byte{'{'}, answer)
	if err := rq.sendJSON(answer.status, append(body, '}', '\n')); err != nil {
		return // the client is gone
	}
}

// appendErrorMembers appends "error" and "reason" as members of a JSON object.
func appendErrorMembers(b []byte, answer *answerError) []byte {
	b = append(b, `"error":`...)
	b = jsondoc.AppendString(b, answer.name)
	b = append(b, `,"reason":`...)
	return jsondoc.AppendString(b, string(bytes.ToValidUTF8([]byte(answer.reason), []byte("\uFFFD"))))
}

// appendStatus appends the status of a document's failure among others, as Sync Gateway
// does: Couchbase Lite 1 knows few of the names.
func appendStatus(b []byte, answer *answerError) []byte {
	return strconv.AppendInt(append(b, `,"status":`...), int64(answer.status), 10)
}

// logFailure logs what an operator has to know: failures of the server, but not of a sync
// function, which has a log of its own with a bound. The request's
// path and query stay out of it, they may hold names and secrets (DECISIONS 15).
func (h *Handler) logFailure(rq *request, answer *answerError, err error) {
	switch {
	case answer.status < http.StatusInternalServerError, answer.expected, errors.Is(err, syncstore.ErrRejected):
		return
	case rq.r.Context().Err() != nil, errors.Is(err, context.Canceled), isConnectionError(err):
		return
	}
	h.Logger.Error("request failed",
		zap.Int("status", answer.status), zap.String("method", rq.r.Method),
		zap.String("database", rq.dbName), zap.Error(err))
}

// isConnectionError reports whether err is that of a client gone away.
func isConnectionError(err error) bool {
	var op *net.OpError
	var file *fs.PathError
	return errors.As(err, &op) && !errors.As(err, &file)
}
