package mango

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddysync/caddy-sync/query"
)

// Error is what is wrong with a request, by CouchDB's names.
type Error struct {
	// Status is HTTP's.
	Status int
	// Name is CouchDB's name of the error.
	Name string
	// Reason is for whoever asked.
	Reason string
}

func (e *Error) Error() string { return e.Name + ": " + e.Reason }

func bad(name, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Name: name, Reason: fmt.Sprintf(format, args...)}
}

// selectorError is the answer to a selector that means nothing. Other errors stay: that a text is no JSON.
func selectorError(err error) error {
	if errors.Is(err, query.ErrSelector) {
		return bad("invalid_selector", "%s", err)
	}
	return err
}

// quotable is how much of a client's text is in an error, in bytes.
const quotable = 64

// shown is a text of a client for an error.
func shown[T string | []byte](text T) string {
	if len(text) <= quotable {
		return string(text)
	}
	return string(text[:quotable]) + "…"
}

// TooExpensive is the name of the error of a query that costs more than it may.
const TooExpensive = "query_too_expensive"
