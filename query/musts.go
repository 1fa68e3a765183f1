package query

import "slices"

// Must is a condition that every document meets that a selector matches: the field at Path is
// there, and what the operator says of it holds. Selectors have others too.
type Must struct {
	Path []string
	// Operator is "$eq", "$lt", "$lte", "$gt", "$gte", "$in", "$beginsWith", or "$exists" where
	// nothing else is asked; "" is another one, of which is said no more than that the field is there.
	Operator string
	// Argument is the operator's, JSON without anything around it.
	Argument []byte
}

// opposites are what operators are when they are negated. Values that are there are in one order,
// so that the opposite of each comparison is another one.
var opposites = map[string]string{
	"$eq": "$ne", "$ne": "$eq", "$lt": "$gte", "$gte": "$lt", "$gt": "$lte", "$lte": "$gt", "$in": "$nin", "$nin": "$in",
}

// asWritten is the operator that says the same without a negation, false if there is none.
func (f *field) asWritten() (operator string, ok bool) {
	if !f.negated {
		return f.operator, true
	}
	operator, ok = opposites[f.operator]
	return operator, ok
}

// Musts returns the conditions that have to hold, in the order of the selector.
func (s *Selector) Musts() []Must {
	var all []Must
	s.eachMust(s.root, func(f *field) {
		m := Must{Path: s.pathOf(f)}
		switch operator, _ := f.asWritten(); operator {
		case "$eq", "$lt", "$lte", "$gt", "$gte", "$in", "$beginsWith", "$exists":
			m.Operator, m.Argument = operator, f.arg
		}
		all = append(all, m)
	})
	return all
}

func (s *Selector) eachMust(n node, fn func(*field)) {
	switch n := n.(type) {
	case allOf:
		for _, part := range n {
			s.eachMust(part, fn)
		}
	case anyOf:
		if len(n) == 1 {
			s.eachMust(n[0], fn)
		}
	case *field:
		if n.atTop && !n.absent {
			fn(n)
		}
	}
}

func (s *Selector) pathOf(f *field) []string {
	return append([]string{s.tops[f.top]}, f.path...)
}

// Requires reports whether the selector matches only documents in which the field at a path is.
func (s *Selector) Requires(path []string) bool { return s.requires(s.root, path) }

func (s *Selector) requires(n node, path []string) bool {
	requires := func(part node) bool { return s.requires(part, path) }
	switch n := n.(type) {
	case allOf:
		return slices.ContainsFunc(n, requires)
	case anyOf:
		return len(n) > 0 && !slices.ContainsFunc(n, func(part node) bool { return !requires(part) })
	case *field:
		return n.atTop && !n.absent && slices.Equal(s.pathOf(n), path)
	}
	return false
}
