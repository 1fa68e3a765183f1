package jsondoc

import (
	"errors"
	"fmt"
)

// Errors that the functions of this package wrap. Their texts name the byte at which
// the input is wrong and never quote it: documents are other people's secrets.
var (
	ErrSyntax    = errors.New("invalid JSON")
	ErrDuplicate = errors.New("duplicate member name")
	ErrUTF8      = errors.New("invalid UTF-8")
	ErrDepth     = errors.New("nesting too deep")
	ErrMembers   = errors.New("too many members")
	ErrNotObject = errors.New("document must be a JSON object")
	ErrNotArray  = errors.New("value must be a JSON array")
	ErrNotString = errors.New("value must be a JSON string")
)

func syntaxError(at int, what string) error {
	return fmt.Errorf("%w at byte %d: %s", ErrSyntax, at, what)
}

func errorAt(err error, at int) error {
	return fmt.Errorf("%w at byte %d", err, at)
}
