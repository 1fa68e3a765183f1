package query

import (
	"errors"
	"fmt"
)

var (
	// ErrSelector is wrapped by errors about a selector that means nothing.
	ErrSelector = errors.New("invalid selector")
	// ErrTooMuchWork: matching a document would take seconds.
	ErrTooMuchWork = errors.New("the selector costs too much with a document of this size: " +
		"make it shorter, or its regular expressions")
)

// quotable is how much of a name is quoted in an error, in bytes.
const quotable = 64

// wrong says what is wrong at a place of a selector.
func wrong(where, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if where == "" {
		return fmt.Errorf("%w: %s", ErrSelector, what)
	}
	return fmt.Errorf("%w: %s: %s", ErrSelector, clip(where), what)
}

// clip shortens a text of the client for an error.
func clip(text string) string {
	if len(text) <= quotable {
		return text
	}
	return text[:quotable] + "…"
}
