package peer

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

var (
	// ErrBadURL: what is no URL of a database on another server.
	ErrBadURL = errors.New("not the URL of a database")
	// ErrRunning: the same replication is running already.
	ErrRunning = errors.New("the replication is running already")
	// ErrClosed: the manager takes no replications any more.
	ErrClosed = errors.New("the server is stopping")
	// ErrTarget is wrapped by what a target did wrong that is not on this server.
	ErrTarget = errors.New("the target")
	// ErrRemote is wrapped by everything that the other server did wrong.
	ErrRemote = errors.New("the other server")
)

// StatusError is an answer of the other server that refuses.
type StatusError struct {
	// What was asked, such as "GET _changes"; it has no host and no query.
	What   string
	Status int
	// Name and Reason are the members "error" and "reason" of the answer, cut short.
	Name, Reason string
	// RetryAfter is what the answer asks for, 0 if nothing.
	RetryAfter time.Duration
	who        error
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.What, e.Status, http.StatusText(e.Status))
	if e.who != nil && e.who != ErrRemote { //nolint:errorlint // it is one of two
		text = e.who.Error() + ": " + text
	}
	if e.Name != "" {
		text += " (" + e.Name
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		text += ")"
	}
	return text
}

// Unwrap makes it an ErrRemote, or an ErrTarget.
func (e *StatusError) Unwrap() error {
	if e.who == nil {
		return ErrRemote
	}
	return e.who
}

// isStatus reports whether err is an answer with one of these statuses.
func isStatus(err error, statuses ...int) bool {
	answer, ok := errors.AsType[*StatusError](err)
	return ok && slices.Contains(statuses, answer.Status)
}

// documentError ends a session for the sake of one document, which is given up when it has done so again
// and again.
type documentError struct{ error }

// Unwrap returns what is the matter with the document.
func (e documentError) Unwrap() error { return e.error }

// permanent reports whether trying again is of no use until somebody has changed something.
func permanent(err error) bool {
	if _, passes := errors.AsType[documentError](err); passes {
		return false
	}
	return isStatus(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusMovedPermanently, http.StatusFound,
		http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect) ||
		errors.Is(err, ErrBadURL) || errors.Is(err, errStays)
}

// ofDatabase reports whether an answer that refuses a document is one of a database that is there. Databases name
// their errors: what stands before one, and has no place to send a request to for a moment, does not. And they
// call a document missing or deleted, while a server has other words for a database that it does not have.
func ofDatabase(err error) bool {
	answer, ok := errors.AsType[*StatusError](err)
	if !ok || answer.Name == "" {
		return false
	}
	return answer.Status != http.StatusNotFound || answer.Reason == "missing" || answer.Reason == "deleted"
}

// passing reports whether a status that refuses one document says that it may be taken
// later: such a document is not given up.
func passing(status int, name string) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage, http.StatusRequestTimeout,
		http.StatusGatewayTimeout, http.StatusBadGateway:
		return true
	case 0: // CouchDB says none
		switch name {
		case "service_unavailable", "unavailable", "insufficient_storage", "timeout", "too_many_requests":
			return true
		}
	}
	return false
}
