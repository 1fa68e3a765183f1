package query

import (
	"strings"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// Normalized returns the selector as it is understood, in the form that CouchDB writes into
// indexes: fields with their whole paths, one operator each, combined by $and and $or. It parses
// to a selector that means the same.
func (s *Selector) Normalized() []byte { return s.normal(nil, s.root) }

func (s *Selector) normal(b []byte, n node) []byte {
	switch n := n.(type) {
	case allOf:
		return s.normalList(b, "$and", n)
	case anyOf:
		return s.normalList(b, "$or", n)
	case *field:
		return s.normalField(b, n)
	case constant:
		if !n {
			return append(b, `{"$not":{}}`...)
		}
	}
	return append(b, "{}"...)
}

func (s *Selector) normalList(b []byte, operator string, nodes []node) []byte {
	b = append(append(append(b, `{"`...), operator...), `":[`...)
	for i, n := range nodes {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.normal(b, n)
	}
	return append(b, "]}"...)
}

func (s *Selector) normalField(b []byte, f *field) []byte {
	b = append(jsondoc.AppendString(append(b, '{'), JoinPath(s.pathOf(f))), ':')
	operator, plain := f.asWritten()
	if f.operator == "$exists" {
		if f.absent {
			return append(b, `{"$exists":false}}`...)
		}
		return append(b, `{"$exists":true}}`...)
	}
	if !plain {
		operator = f.operator
		b = append(b, `{"$not":`...)
	}
	b = append(append(append(append(b, `{"`...), operator...), `":`...), f.arg...)
	if !plain {
		b = append(b, '}')
	}
	return append(b, "}}"...)
}

// JoinPath writes a path as the name of a field, from which ParsePath reads it.
func JoinPath(path []string) string {
	var name strings.Builder
	for i, part := range path {
		if i > 0 {
			name.WriteByte('.')
		}
		for j := range len(part) {
			if c := part[j]; c == '.' || c == '\\' || c == '$' && j == 0 {
				name.WriteByte('\\')
			}
			name.WriteByte(part[j])
		}
	}
	return name.String()
}

// ParsePath takes a field's name apart at its dots, as selectors do. Errors wrap ErrSelector.
func ParsePath(name string) ([]string, error) { return parsePath(name, name) }
