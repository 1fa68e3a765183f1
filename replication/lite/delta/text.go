package delta

import (
	"bytes"
	"errors"
	"math"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

var errTooLong = errors.New("JSON text of more than 2 GiB")

// text is JSON text that jsondoc accepts, and where its brackets close: with it a walk
// passes over what it does not look into in one step, so that walking through all levels
// takes time by the size of the text, not by size times depth.
type text struct {
	raw   []byte
	pairs []pair // of brackets, in the order of the opening ones
	top   value
}

type pair struct {
	end  uint32 // behind the closing bracket
	next uint32 // the first pair behind this one
}

// value is a value in a text. The zero value stands for none.
type value struct {
	start, end int
	pair       int // of an object or array
}

func (v value) absent() bool {
	return v.end == 0
}

// parse checks raw and finds its brackets.
func parse(raw []byte) (*text, error) {
	if len(raw) > math.MaxInt32 {
		return nil, errTooLong
	}
	if err := jsondoc.Check(raw); err != nil {
		return nil, err
	}
	t := &text{raw: raw}
	var few [32]int
	open := few[:0]
	for at := 0; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			at = t.quoted(at) - 1
		case '{', '[':
			open = append(open, len(t.pairs))
			t.pairs = append(t.pairs, pair{})
		case '}', ']':
			last := len(open) - 1
			t.pairs[open[last]] = pair{end: uint32(at + 1), next: uint32(len(t.pairs))}
			open = open[:last]
		}
	}
	w := walk{text: t}
	t.top, _ = w.value()
	return t, nil
}

// kind is a value's first byte: an opening bracket, a quote or another.
func (t *text) kind(v value) byte {
	return t.raw[v.start]
}

// slice is a value's own text.
func (t *text) slice(v value) []byte {
	return t.raw[v.start:v.end]
}

// str is what a string stands for.
func (t *text) str(v value) []byte {
	inside := t.raw[v.start+1 : v.end-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside
	}
	s, _ := jsondoc.String(t.slice(v)) // was checked
	return []byte(s)
}

// quoted returns what is behind the string that begins at at.
func (t *text) quoted(at int) int {
	for at++; t.raw[at] != '"'; at++ {
		if t.raw[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// plain returns what is behind the number or word that begins at at.
func (t *text) plain(at int) int {
	for at < len(t.raw) {
		switch t.raw[at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return at
		}
		at++
	}
	return at
}

// walk goes through the members or elements of one object or array.
type walk struct {
	text *text
	at   int
	pair int // the next one
}

func (t *text) inside(v value) walk {
	return walk{text: t, at: v.start + 1, pair: v.pair + 1}
}

// value returns the next value, an object's name being one too. ok is false at the end.
func (w *walk) value() (v value, ok bool) {
	t := w.text
	at := w.at
	for t.raw[at] == ' ' || t.raw[at] == ',' || t.raw[at] == ':' || t.raw[at] == '\n' || t.raw[at] == '\r' || t.raw[at] == '\t' {
		at++
	}
	v = value{start: at}
	switch t.raw[at] {
	case '}', ']':
		return value{}, false
	case '{', '[':
		v.pair = w.pair
		p := t.pairs[w.pair]
		v.end, w.pair = int(p.end), int(p.next)
	case '"':
		v.end = t.quoted(at)
	default:
		v.end = t.plain(at)
	}
	w.at = v.end
	return v, true
}

// member returns the next member of an object.
func (w *walk) member() (name, v value, ok bool) {
	if name, ok = w.value(); ok {
		v, _ = w.value()
	}
	return name, v, ok
}
