// Package query has what asking for documents on the server is made of: Mango's selectors, by
// CouchDB's rules (https://docs.couchdb.org/en/stable/ddocs/mango.html#selectors), and the
// order of JSON values.
//
// Documents and selectors are read as the bytes they are stored as, so that a number of
// many digits is compared as what it is (DECISIONS 26). Where CouchDB 3.5 fails or
// contradicts itself, the comments say what is done here.
package query

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// What a selector may cost. They are far above what people write, and keep a stranger's
// selector from taking the server's time.
const (
	// MaxSelector is the longest selector in bytes.
	MaxSelector = 256 << 10
	// maxDepth is how deep operators and fields may be nested.
	maxDepth = 50
	// maxConditions is how many conditions, and objects of them, a selector may have. The
	// values of one $in are one condition.
	maxConditions = 1000
	// maxProgram is the size of all regular expressions of a selector, compiled, in about
	// as many instructions.
	maxProgram = 1000
	// maxWork is what matching one document may cost: a second or so. An array of 50 000
	// objects, with ten conditions on each, stays below.
	maxWork = 1 << 28
)

// Selector says which documents are meant. It never changes, and may be used by many
// goroutines at once.
type Selector struct {
	text []byte
	root node
	// tops are the first names of the paths that begin at the document.
	tops      []string
	topAt     map[string]int // places in tops, if there are many
	fields    [][]string
	collation *Collation
}

// Parse reads a selector: a JSON object. Errors wrap ErrSelector and say what to write
// instead, or are those of jsondoc if text is not JSON.
func Parse(text []byte) (*Selector, error) {
	if len(text) > MaxSelector {
		return nil, fmt.Errorf("%w: it has %d bytes; at most %d are allowed", ErrSelector, len(text), MaxSelector)
	}
	if err := jsondoc.Check(text); err != nil {
		return nil, fmt.Errorf("reading a selector: %w", err)
	}
	s := &Selector{text: bytes.Clone(bytes.TrimSpace(text)), collation: NewCollation()}
	p := parser{selector: s}
	if kindOf(s.text) != kindObject {
		return nil, fmt.Errorf(`%w: expected a JSON object, such as {"type": "note"}`, ErrSelector)
	}
	root, err := p.members(s.text, nil, place{root: true})
	if err != nil {
		return nil, err
	}
	s.root = root
	if len(s.tops) > fewTops {
		s.topAt = make(map[string]int, len(s.tops))
		for i, name := range s.tops {
			s.topAt[name] = i
		}
	}
	return s, nil
}

// String returns the selector as it was given.
func (s *Selector) String() string { return string(s.text) }

// Uses reports whether a condition is about the document's member name or what is in it.
// What is not used need not be in the Document to match.
func (s *Selector) Uses(name string) bool { return slices.Contains(s.tops, name) }

// Fields returns the paths in the document that have conditions, each once, in order of
// their first one. Below $elemMatch, $allMatch and $keyMapMatch, paths begin at an element
// and are not among them.
func (s *Selector) Fields() [][]string {
	fields := make([][]string, len(s.fields))
	for i, path := range s.fields {
		fields[i] = slices.Clone(path)
	}
	return fields
}

// Document is what a selector is matched with. ID, Rev, Deleted and Attachments are the
// members _id, _rev, _deleted and _attachments; only those have to be set that the
// selector uses.
type Document struct {
	ID  string
	Rev string // "generation-digest"
	// Deleted: the member is there only if it is true, as in CouchDB.
	Deleted bool
	// Attachments is a JSON object, or empty if there are none.
	Attachments []byte
	// Body is a JSON object as jsondoc leaves it.
	Body []byte
}

// Match reports whether a document is meant. ErrTooMuchWork if the selector costs too
// much with a document of this size. A body that is not JSON matches anything or nothing.
func (s *Selector) Match(doc *Document) (bool, error) { return s.match(doc, maxWork) }

func (s *Selector) match(doc *Document, work int) (bool, error) {
	m := matcher{selector: s, left: work}
	var few [fewTops]value
	if len(s.tops) <= fewTops {
		m.tops = few[:len(s.tops)]
	} else {
		m.tops = make([]value, len(s.tops))
	}
	m.find(doc)
	matched := s.root.match(&m, nil)
	if m.left < 0 {
		return false, ErrTooMuchWork
	}
	return matched, nil
}
