// Package jsondoc reads documents as JSON text: strictly, and without changing a
// byte of what is stored (DECISIONS 26).
package jsondoc

import "errors"

// MaxDepth is the deepest nesting of objects and arrays that is accepted.
const MaxDepth = 512

// Errors that Parse and Check wrap.
var (
	ErrSyntax    = errors.New("invalid JSON")
	ErrDuplicate = errors.New("duplicate member name")
	ErrUTF8      = errors.New("invalid UTF-8")
	ErrDepth     = errors.New("nesting too deep")
	ErrNotObject = errors.New("document must be a JSON object")
)

// Document is a JSON object taken apart.
type Document struct {
	// Body is the object without its "_" members. It shares memory with the input
	// where it can.
	Body []byte
	// Meta are the top-level members whose names begin with "_", in order, with the
	// bytes of their values.
	Meta []Member
}

// Member is a member of an object.
type Member struct {
	Name  string
	Value []byte
}

// Parse takes a document apart. The whole input must be one JSON object and nothing
// but white space around it.
func Parse(text []byte) (Document, error) { panic("todo") }

// Check verifies that text is one JSON value by the same rules.
func Check(text []byte) error { panic("todo") }
