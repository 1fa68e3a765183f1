package query

import (
	"math/bits"
	"regexp"
	"slices"
)

// test looks at a value that is there.
type test interface {
	holds(m *matcher, v value) bool
}

type constantTest bool

func (t constantTest) holds(*matcher, value) bool { return bool(t) }

// comparison holds for values that are less than, equal to or greater than arg.
type comparison struct {
	arg                  value
	less, equal, greater bool
	byBytes              bool
}

func (c comparison) holds(m *matcher, v value) bool {
	m.spend(compareWorkWith(v, c.arg))
	compare := m.selector.collation.compare
	if c.byBytes {
		compare = m.selector.collation.compareBytes
	}
	switch order := compare(v, c.arg); {
	case order < 0:
		return c.less
	case order > 0:
		return c.greater
	}
	return c.equal
}

// membership is $in and $nin. An array is in if one of its elements is.
type membership struct {
	values  []value // in order
	compare func(a, b value) int
	not     bool
}

func (t membership) holds(m *matcher, v value) bool { return t.contains(m, v) != t.not }

func (t membership) contains(m *matcher, v value) bool {
	if kindOf(v) != kindArray {
		return t.has(m, v)
	}
	for element := range v.elements {
		if m.exhausted() || t.has(m, element) {
			return true
		}
	}
	return false
}

func (t membership) has(m *matcher, v value) bool {
	m.spend(compareWork(v) * bits.Len(uint(len(t.values))))
	_, ok := slices.BinarySearchFunc(t.values, v, t.compare)
	return ok
}

// all is $all: an array has all the values, or it is the one value itself. Without values
// nothing has them all, as in CouchDB.
type all struct{ values []value }

func (t all) holds(m *matcher, v value) bool {
	if kindOf(v) != kindArray || len(t.values) == 0 {
		return false
	}
	compare := m.selector.collation.compare
	m.spend(compareWork(v) * bits.Len(uint(len(t.values))))
	if len(t.values) == 1 && kindOf(t.values[0]) == kindArray && compare(t.values[0], v) == 0 {
		return true
	}
	seen := make([]bool, len(t.values))
	count := 0
	for element := range v.elements {
		if i, ok := slices.BinarySearchFunc(t.values, element, compare); ok && !seen[i] {
			seen[i] = true
			if count++; count == len(seen) {
				return true
			}
		}
	}
	return false
}

type typeTest string

func (t typeTest) holds(_ *matcher, v value) bool { return kindOf(v).typeName() == string(t) }

type sizeTest int64

func (t sizeTest) holds(m *matcher, v value) bool {
	if kindOf(v) != kindArray {
		return false
	}
	m.spend(len(v))
	n := int64(0)
	for range v.elements {
		if n++; n > int64(t) {
			return false
		}
	}
	return n == int64(t)
}

// modulo is $mod. A number is whole by its value: 4.0 is, which CouchDB does not see so.
type modulo struct{ divisor, rest int64 }

func (t modulo) holds(m *matcher, v value) bool {
	if kindOf(v) != kindNumber {
		return false
	}
	m.spend(len(v))
	rest, whole := remainder(v, t.divisor)
	return whole && rest == t.rest
}

type regex struct {
	re   *regexp.Regexp
	size int // in instructions
}

func (t regex) holds(m *matcher, v value) bool {
	if kindOf(v) != kindString {
		return false
	}
	m.spend(regexWork * t.size * len(v))
	return !m.exhausted() && t.re.Match(v.text())
}

// prefix is $beginsWith, by bytes.
type prefix string

func (t prefix) holds(m *matcher, v value) bool {
	if kindOf(v) != kindString {
		return false
	}
	m.spend(len(v))
	text := v.text()
	return len(text) >= len(t) && string(text[:len(t)]) == string(t)
}

type elemMatch struct{ inner node }

func (t elemMatch) holds(m *matcher, v value) bool {
	if kindOf(v) != kindArray {
		return false
	}
	m.spend(len(v))
	for element := range v.elements {
		if m.exhausted() || t.inner.match(m, element) {
			return true
		}
	}
	return false
}

// allMatch does not hold for an empty array.
type allMatch struct{ inner node }

func (t allMatch) holds(m *matcher, v value) bool {
	if kindOf(v) != kindArray {
		return false
	}
	m.spend(len(v))
	some := false
	for element := range v.elements {
		if m.exhausted() || !t.inner.match(m, element) {
			return false
		}
		some = true
	}
	return some
}

// keyMapMatch holds if one of an object's names matches, as a string.
type keyMapMatch struct{ inner node }

func (t keyMapMatch) holds(m *matcher, v value) bool {
	if kindOf(v) != kindObject {
		return false
	}
	m.spend(len(v))
	for name := range v.members {
		if m.exhausted() || t.inner.match(m, name) {
			return true
		}
	}
	return false
}
