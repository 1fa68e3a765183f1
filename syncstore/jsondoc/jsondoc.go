// Package jsondoc reads documents as JSON text: strictly, and without changing a
// byte of what is stored (DECISIONS 26).
//
// It accepts exactly the texts of RFC 8259 in UTF-8 that every client can give back
// as they were: no byte order mark, no duplicate member names (section 4 leaves their
// meaning open), no half surrogate pairs (section 8.2 calls them unpredictable, and
// they have no UTF-8), at most MaxDepth levels and MaxMembers in them. Numbers are not looked into, so that
// long ones stay what they are.
package jsondoc

import "math"

// MaxDepth is the deepest nesting of objects and arrays that is accepted.
const MaxDepth = 512

// MaxMembers is how many members the objects may have that are open at once: an object, those around it, and
// their members before it. Until they are closed each name costs some hundred bytes, ten times as much as its
// text. It is more than 20 MiB have room for.
const MaxMembers = 1 << 22

// Document is a JSON object taken apart.
type Document struct {
	// Body is the object without its "_" members, but for those of CouchDB's replicator
	// ("_replication_state" and its like), which are a document's own. It shares memory with the input
	// where it can: if there are no "_" members it is the input less the white space
	// around it, otherwise it is made anew of the other members with their bytes as
	// they were, joined by commas. Parsing a Body gives the same Body.
	Body []byte
	// Long: there is no Body, since it would be longer than it may be (ParseWithin).
	Long bool
	// Meta are the other top-level members whose names begin with "_", in order, with the
	// bytes of their values, which share memory with the input.
	Meta []Member
}

// Member is a member of an object.
type Member struct {
	// Name is the name without quotes and escapes.
	Name string
	// Value is the text of the value without white space around it.
	Value []byte
}

// Parse takes a document apart. The whole input must be one JSON object and nothing
// but white space around it; other input is one of the package's errors, wrapped, with
// the byte offset at which it was noticed.
func Parse(text []byte) (Document, error) { return ParseWithin(text, math.MaxInt) }

// ParseWithin is Parse for a body of at most so many bytes: no memory is taken for a longer one.
func ParseWithin(text []byte, most int64) (Document, error) {
	s := scanner{text: text}
	begin, err := s.openObject()
	if err != nil {
		return Document{}, err
	}
	var few [48]span
	kept := few[:0] // name through value of the members that stay
	var meta []Member
	object := s.object()
	at, done := s.first(begin+1, '}')
	for ; !done && err == nil; at, done, err = s.next(at, '}') {
		m, err := s.member(at, &object)
		if err != nil {
			return Document{}, err
		}
		if name := s.name(m.name); len(name) > 0 && name[0] == '_' && !ordinary(name) {
			meta = append(meta, Member{Name: metaName(name), Value: s.slice(m.value)})
		} else {
			kept = append(kept, span{at, m.value.end})
		}
		at = m.value.end
	}
	if err != nil {
		return Document{}, err
	}
	if err := s.end(at); err != nil {
		return Document{}, err
	}
	d := Document{Meta: meta}
	switch {
	case meta == nil && int64(at-begin) <= most:
		d.Body = s.slice(span{begin, at})
	case meta != nil && int64(joined(kept)) <= most:
		d.Body = join(text, kept)
	default:
		d.Long = true
	}
	return d, nil
}

// Check verifies that text is one JSON value by the same rules.
func Check(text []byte) error {
	s := scanner{text: text}
	at, err := s.value(s.space(0))
	if err != nil {
		return err
	}
	return s.end(at)
}

// joined is how long an object of members is.
func joined(members []span) int {
	size := 1 + max(1, len(members))
	for _, m := range members {
		size += m.end - m.start
	}
	return size
}

// join makes an object of members of text.
func join(text []byte, members []span) []byte {
	body := append(make([]byte, 0, joined(members)), '{')
	for i, m := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, text[m.start:m.end]...)
	}
	return append(body, '}')
}

// ordinary reports whether a member is a document's own although its name begins with "_":
// CouchDB's replicator keeps its state in them, and CouchDB and PouchDB store them.
func ordinary(name []byte) bool {
	switch string(name) {
	case "_replication_id", "_replication_state", "_replication_state_time", "_replication_state_reason", "_replication_stats":
		return true
	}
	return false
}

// metaName returns name as a string, without an allocation for the usual ones.
func metaName(name []byte) string {
	switch string(name) {
	case "_id":
		return "_id"
	case "_rev":
		return "_rev"
	case "_deleted":
		return "_deleted"
	case "_revisions":
		return "_revisions"
	case "_attachments":
		return "_attachments"
	}
	return string(name)
}
