package query

import "bytes"

// fewTops is how many top-level members are looked up without an allocation.
const fewTops = 8

// What things cost beside passing over a byte, which is 1: roughly nanoseconds.
const (
	stepWork     = 16 // anything at all
	collatorWork = 64 // comparing a byte that is not ASCII, or an escape
	regexWork    = 4  // an instruction of a regular expression, for each byte
)

// matcher is one document that is being matched.
type matcher struct {
	selector *Selector
	tops     []value // the members that the selector names; nil for those that are missing
	left     int     // work that may still be done; below 0 nothing counts any more
}

func (m *matcher) spend(work int) { m.left -= work + stepWork }

func (m *matcher) exhausted() bool { return m.left < 0 }

// find looks up the members that the selector names, all in one pass.
func (m *matcher) find(doc *Document) {
	wanted := len(m.tops)
	for i, name := range m.selector.tops {
		switch name {
		case "_id":
			m.tops[i] = quoted(doc.ID)
		case "_rev":
			m.tops[i] = quoted(doc.Rev)
		case "_deleted":
			if doc.Deleted {
				m.tops[i] = value("true")
			}
		case "_attachments":
			if len(doc.Attachments) > 0 {
				m.tops[i] = doc.Attachments
			}
		default:
			continue
		}
		wanted--
	}
	m.findIn(doc.Body, wanted)
}

// findIn looks up those members that are still wanted in an object.
func (m *matcher) findIn(object []byte, wanted int) {
	if wanted == 0 {
		return
	}
	m.spend(len(object))
	body := value(bytes.TrimSpace(object))
	for name, member := range body.members {
		if i := m.top(name.text()); i >= 0 && m.tops[i] == nil {
			m.tops[i] = member
			if wanted--; wanted == 0 {
				return
			}
		}
	}
}

// top returns the place of a name in tops, -1 if it is not there.
func (m *matcher) top(name []byte) int {
	if m.selector.topAt != nil {
		if i, ok := m.selector.topAt[string(name)]; ok {
			return i
		}
		return -1
	}
	for i, top := range m.selector.tops {
		if top == string(name) {
			return i
		}
	}
	return -1
}

// node is a part of a selector. v is the element that it is about, or nil for the
// document.
type node interface {
	match(m *matcher, v value) bool
}

// constant holds for everything or for nothing.
type constant bool

func (c constant) match(*matcher, value) bool { return bool(c) }

type allOf []node

func (nodes allOf) match(m *matcher, v value) bool {
	for _, n := range nodes {
		if !n.match(m, v) {
			return false
		}
	}
	return true
}

// anyOf holds for everything if it is empty.
type anyOf []node

func (nodes anyOf) match(m *matcher, v value) bool {
	for _, n := range nodes {
		if n.match(m, v) {
			return true
		}
	}
	return len(nodes) == 0
}

type negation struct{ node }

func (n negation) match(m *matcher, v value) bool { return !n.node.match(m, v) }

// field is a condition on a field.
type field struct {
	test    test
	path    []string
	negated bool
	// absent: the condition holds if the field is missing. CouchDB has it so for $exists
	// alone; all other conditions, negated ones too, want the field to be there.
	absent bool
	// atTop: the path goes on from the matcher's member top, not from the element.
	atTop bool
	top   int
	// operator and arg are what the condition was written as, negated or not.
	operator string
	arg      value
}

func (f *field) match(m *matcher, v value) bool {
	if f.atTop {
		v = m.tops[f.top]
		if v == nil {
			return f.absent
		}
	}
	v, what := m.follow(v, f.path)
	switch what {
	case missing:
		return f.absent
	case astray:
		return false
	default:
		return f.test.holds(m, v) != f.negated
	}
}
