package query

import (
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// parser turns the text of a selector into nodes.
//
// As in CouchDB, a negation goes down to the conditions: not (a and b) is not a or not b,
// and a negated condition still wants its field to be there, so that {"$not": {"a": 1}}
// does not mean documents without a. Only below $elemMatch, $allMatch and $keyMapMatch a
// negation is one of the whole, as there.
type parser struct {
	selector   *Selector
	conditions int
	program    int
}

// place is where in the selector the parser is.
type place struct {
	where   string // for errors
	root    bool   // paths begin at the document, not at an element
	negated bool
	depth   int
}

func (at place) down(name string) place {
	if at.where != "" {
		name = at.where + "." + name
	}
	at.where = clip(name)
	at.depth++
	return at
}

// members parses an object of fields and operators that all have to hold for what is at
// path.
func (p *parser) members(text value, path []string, at place) (node, error) {
	if at.depth > maxDepth {
		return nil, wrong(at.where, "nested too deep; at most %d levels are allowed", maxDepth)
	}
	if err := p.count(); err != nil {
		return nil, err
	}
	var nodes []node
	err := jsondoc.Members(text, func(name string, arg []byte) error {
		n, err := p.member(name, value(arg), path, at.down(name))
		nodes = append(nodes, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return at.combine(nodes), nil
}

// combine makes one of nodes that all have to hold, which were parsed at this place and so
// are negated already if it is. No nodes hold for everything.
func (at place) combine(nodes []node) node {
	switch {
	case len(nodes) == 0:
		return constant(!at.negated)
	case len(nodes) == 1:
		return nodes[0]
	case at.negated:
		return anyOf(nodes)
	}
	return allOf(nodes)
}

func (p *parser) member(name string, arg value, path []string, at place) (node, error) {
	if strings.HasPrefix(name, "$") {
		return p.operator(name, arg, path, at)
	}
	parts, err := parsePath(at.where, name)
	if err != nil {
		return nil, err
	}
	return p.condition(arg, slices.Concat(path, parts), at)
}

// condition parses what is wanted of a field: an object of operators and inner fields, or
// a value to equal. {} is such a value.
func (p *parser) condition(arg value, path []string, at place) (node, error) {
	if kindOf(arg) == kindObject && !emptyObject(arg) {
		return p.members(arg, path, at)
	}
	return p.leaf("$eq", arg, path, at)
}

// item parses an element of $and, $or and $nor, or what follows $not.
func (p *parser) item(arg value, path []string, at place) (node, error) {
	if len(path) > 0 {
		return p.condition(arg, path, at)
	}
	if kindOf(arg) == kindObject {
		return p.members(arg, nil, at)
	}
	if at.root {
		return nil, wrong(at.where, `it must have objects, such as {"type": "note"}`)
	}
	return p.leaf("$eq", arg, nil, at)
}

func (p *parser) operator(name string, arg value, path []string, at place) (node, error) {
	switch name {
	case "$and", "$or", "$nor":
		return p.combination(name, arg, path, at)
	case "$not":
		if kindOf(arg) != kindObject {
			return nil, wrong(at.where, `it needs an object, such as {"$not": {"$eq": 1}}; for a value write $ne`)
		}
		return p.not(at, func(at place) (node, error) { return p.item(arg, path, at) })
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		if kindOf(arg) != kindObject {
			return nil, wrong(at.where, `it needs an object, such as {"%s": {"$eq": 1}}`, name)
		}
		inner, err := p.members(arg, nil, place{where: at.where, depth: at.depth})
		if err != nil {
			return nil, err
		}
		return p.field(nested(name, inner), condition{name, arg}, path, at)
	}
	return p.leaf(name, arg, path, at)
}

// combination parses $and, $or and $nor. An empty $or holds for everything, as in CouchDB.
func (p *parser) combination(name string, arg value, path []string, at place) (node, error) {
	if kindOf(arg) != kindArray {
		return nil, wrong(at.where, `it needs an array, such as {"%s": [{"a": 1}, {"b": 2}]}`, name)
	}
	var nodes []node
	err := jsondoc.Elements(arg, func(element []byte) error {
		parse := func(at place) (node, error) { return p.item(element, path, at) }
		var n node
		var err error
		if name == "$nor" {
			n, err = p.not(at, parse)
		} else {
			n, err = parse(at)
		}
		nodes = append(nodes, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	if (name == "$or") == at.negated {
		return allOf(nodes), nil
	}
	return anyOf(nodes), nil
}

// not parses with the opposite meaning.
func (p *parser) not(at place, parse func(place) (node, error)) (node, error) {
	if at.root {
		at.negated = !at.negated
		return parse(at)
	}
	n, err := parse(at)
	return negation{n}, err
}

// leaf parses an operator that looks at a value.
func (p *parser) leaf(name string, arg value, path []string, at place) (node, error) {
	if err := p.count(); err != nil {
		return nil, err
	}
	if name == "$exists" {
		want, err := flag(arg, at)
		if err != nil {
			return nil, err
		}
		// Negated, it is the opposite question, also where the field is missing.
		want = want != at.negated
		f, err := p.field(constantTest(want), condition{name, arg}, path, place{where: at.where, root: at.root})
		if err != nil {
			return nil, err
		}
		f.absent = !want
		return f, nil
	}
	test, err := p.test(name, arg, path, at)
	if err != nil {
		return nil, err
	}
	return p.field(test, condition{name, arg}, path, at)
}

// condition is how a condition was written.
type condition struct {
	operator string
	arg      value
}

// count counts conditions and objects of them.
func (p *parser) count() error {
	if p.conditions++; p.conditions > maxConditions {
		return wrong("", "it has more than %d conditions; several values of a field go into one $in", maxConditions)
	}
	return nil
}

// field makes the condition of a field of a test.
func (p *parser) field(t test, c condition, path []string, at place) (*field, error) {
	f := &field{test: t, path: path, negated: at.negated, operator: c.operator, arg: c.arg}
	if !at.root {
		return f, nil
	}
	if len(path) == 0 {
		return nil, wrong(at.where, `the operator has no field; write {"field": {"$operator": …}}`)
	}
	s := p.selector
	if !slices.ContainsFunc(s.fields, func(known []string) bool { return slices.Equal(known, path) }) {
		s.fields = append(s.fields, path)
	}
	f.top, f.path = slices.Index(s.tops, path[0]), path[1:]
	if f.top < 0 {
		f.top = len(s.tops)
		s.tops = append(s.tops, path[0])
	}
	f.atTop = true
	return f, nil
}

func emptyObject(v value) bool {
	at := v.space(1)
	return at < len(v) && v[at] == '}'
}
