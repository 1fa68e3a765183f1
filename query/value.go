package query

import (
	"bytes"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// value is a JSON value as text, with nothing around it. It was checked when it was
// stored, so that reading it here looks for its structure only: of text that is not JSON
// nonsense is read, but never beyond its end.
type value []byte

// kind is a JSON type. The order is that of CouchDB's collation.
type kind byte

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
)

func kindOf(v value) kind {
	if len(v) == 0 {
		return kindNull
	}
	switch v[0] {
	case 'n':
		return kindNull
	case 'f':
		return kindFalse
	case 't':
		return kindTrue
	case '"':
		return kindString
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// typeName is what $type calls a kind.
func (k kind) typeName() string {
	switch k {
	case kindNull:
		return "null"
	case kindFalse, kindTrue:
		return "boolean"
	case kindNumber:
		return "number"
	case kindString:
		return "string"
	case kindArray:
		return "array"
	default:
		return "object"
	}
}

// space passes over white space, commas and colons: what stands between tokens.
func (v value) space(at int) int {
	for at < len(v) {
		switch v[at] {
		case ' ', '\t', '\r', '\n', ',', ':':
			at++
		default:
			return at
		}
	}
	return at
}

// skip returns the end of the value that begins at at.
func (v value) skip(at int) int {
	if at >= len(v) {
		return len(v)
	}
	switch v[at] {
	case '"':
		return v.skipString(at)
	case '{', '[':
		return v.skipNested(at)
	}
	for end := at + 1; end < len(v); end++ {
		switch v[end] {
		case ',', '}', ']', ' ', '\t', '\r', '\n', ':':
			return end
		}
	}
	return len(v)
}

func (v value) skipString(at int) int {
	for at++; at < len(v); {
		next := bytes.IndexByte(v[at:], '"')
		if next < 0 {
			break
		}
		at += next + 1
		slashes := 0
		for i := at - 2; i >= 0 && v[i] == '\\'; i-- {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
	}
	return len(v)
}

func (v value) skipNested(at int) int {
	depth := 0
	for at < len(v) {
		switch v[at] {
		case '"':
			at = v.skipString(at)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return len(v)
}

// elements yields the elements of an array.
func (v value) elements(yield func(value) bool) {
	for at := v.space(1); at < len(v) && v[at] != ']'; at = v.space(at) {
		end := v.skip(at)
		if !yield(v[at:end:end]) {
			return
		}
		at = end
	}
}

// members yields the names, as JSON strings, and the values of an object.
func (v value) members(yield func(name, value value) bool) {
	for at := v.space(1); at < len(v) && v[at] != '}'; {
		end := v.skip(at)
		begin := v.space(end)
		name := v[at:end:end]
		end = v.skip(begin)
		if begin > end || !yield(name, v[begin:end:end]) {
			return
		}
		at = v.space(end)
	}
}

// member returns a member of an object.
func (v value) member(name string) (value, bool) {
	for n, member := range v.members {
		if n.is(name) {
			return member, true
		}
	}
	return nil, false
}

// element returns the element of an array with a number from 0 up.
func (v value) element(n int) (value, bool) {
	for element := range v.elements {
		if n == 0 {
			return element, true
		}
		n--
	}
	return nil, false
}

// is reports whether a string is text.
func (v value) is(text string) bool { return string(v.text()) == text }

// text returns what a string stands for. It shares memory with v where it can.
func (v value) text() []byte {
	if len(v) < 2 {
		return nil
	}
	inside := v[1 : len(v)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside
	}
	text, err := jsondoc.String(v)
	if err != nil {
		return inside // it was not checked
	}
	return []byte(text)
}

// quoted makes a JSON string of text without control characters.
func quoted(text string) value {
	if !strings.ContainsAny(text, `"\`) {
		return value(`"` + text + `"`)
	}
	return value(`"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text) + `"`)
}
