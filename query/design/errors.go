package design

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Names of errors, as CouchDB has them.
const (
	ErrorInvalid     = "invalid_design_doc"
	ErrorCompilation = "compilation_error"
	ErrorMissing     = "not_found"
	ErrorForbidden   = "forbidden"
	ErrorSignIn      = "unauthorized"
	ErrorFunction    = "internal_server_error"
	ErrorReduce      = "builtin_reduce_error"
	ErrorParse       = "query_parse_error"
)

// Error is what is wrong with a design document, or what a function of one did. It counts as a
// syncstore.ErrRejected where a write is refused because of it.
type Error struct {
	// Name is one of those above.
	Name string
	// Reason is for whoever asked.
	Reason string
	// Cause is for the log; it may quote documents.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Name + ": " + e.Reason + ": " + e.Cause.Error()
	}
	return e.Name + ": " + e.Reason
}

// Unwrap makes errors.Is find syncstore.ErrRejected.
func (e *Error) Unwrap() []error { return []error{syncstore.ErrRejected, e.Cause} }

// Status is what HTTP answers when the error comes up while a function is used. CouchDB answers
// a document that is refused for the first two with 400.
func (e *Error) Status() int {
	switch e.Name {
	case ErrorMissing:
		return http.StatusNotFound
	case ErrorForbidden:
		return http.StatusForbidden
	case ErrorSignIn:
		return http.StatusUnauthorized
	case ErrorInvalid, ErrorParse:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func invalid(reason string) *Error { return &Error{Name: ErrorInvalid, Reason: reason} }

func missing(reason string) *Error { return &Error{Name: ErrorMissing, Reason: reason} }

// uncompilable says where a function's text is wrong.
func uncompilable(what string, err error) *Error {
	return &Error{Name: ErrorCompilation, Reason: what + err.Error()}
}

// failed is what a function did instead of returning. The context's errors stay.
func failed(place string, err error) error {
	if thrown, ok := errors.AsType[*script.ThrownError](err); ok {
		for _, name := range [...]string{ErrorForbidden, ErrorSignIn} {
			if reason, ok := thrown.Members[name]; ok {
				if reason == "" {
					reason = name
				}
				return &Error{Name: name, Reason: reason}
			}
		}
		return &Error{Name: ErrorFunction, Reason: "Exception in " + place, Cause: err}
	}
	switch {
	case errors.Is(err, script.ErrTimeout):
		return &Error{Name: ErrorFunction, Reason: place + " timed out", Cause: err}
	case errors.Is(err, script.ErrMemory), errors.Is(err, script.ErrDepth):
		return &Error{Name: ErrorFunction, Reason: place + " used more than it may", Cause: err}
	}
	return fmt.Errorf("running %s: %w", place, err)
}
