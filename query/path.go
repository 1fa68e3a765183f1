package query

import (
	"slices"
	"strings"
)

// parsePath takes a field's name apart at its dots. A backslash takes the meaning from the
// dot, the dollar sign or the backslash behind it. CouchDB drops every backslash, so that a
// name with one in it cannot be asked for there.
func parsePath(where, name string) ([]string, error) {
	var path []string
	var part strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '\\' && i+1 == len(name):
			return nil, wrong(where, `the field's name ends with a backslash; for a backslash in a name write two of them`)
		case c == '\\':
			i++
			part.WriteByte(name[i])
		case c == '.':
			path = append(path, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	path = append(path, part.String())
	if slices.Contains(path, "") {
		return nil, wrong(where, `a part of the field's name is empty; a dot that belongs to the name is written \.`)
	}
	return path, nil
}

// index reads a part of a path as the number of an array's element.
func index(part string) (int, bool) {
	if part == "" || len(part) > 9 {
		return 0, false
	}
	n := 0
	for i := range len(part) {
		if part[i] < '0' || part[i] > '9' {
			return 0, false
		}
		n = n*10 + int(part[i]-'0')
	}
	return n, true
}

// finding is what came of looking for a field.
type finding int

const (
	found finding = iota
	// missing: an object on the way does not have the member.
	missing
	// astray: a value on the way has no members, or an array not so many elements. CouchDB
	// finds then neither that the field exists nor that it does not.
	astray
)

// follow goes down a path.
func (m *matcher) follow(v value, path []string) (value, finding) {
	for _, part := range path {
		switch kindOf(v) {
		case kindObject:
			m.spend(len(v))
			member, ok := v.member(part)
			if !ok {
				return nil, missing
			}
			v = member
		case kindArray:
			n, ok := index(part)
			if ok {
				m.spend(len(v))
				v, ok = v.element(n)
			}
			if !ok {
				return nil, astray
			}
		default:
			return nil, astray
		}
	}
	return v, found
}
