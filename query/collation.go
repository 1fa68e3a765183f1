package query

import (
	"bytes"
	"cmp"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Collation is CouchDB's order of JSON values: null, false, true, numbers, strings,
// arrays, objects. Arrays and objects go by their members in order, a beginning of
// another before it; objects by a member's name, then its value.
//
// Strings are in the order of the Unicode collation's root, as CouchDB has it from ICU:
// "a" < "A" < "b", and what is equal in it is equal, such as two ways to write the same
// accent. golang.org/x/text has the order of Unicode 6.2. ICU's differs from it in letters
// and emoji that are younger, which come last here, in the Macedonian letters Gje and Kje, and
// in some rare Han characters.
//
// It may be used by many goroutines at once.
type Collation struct {
	collators sync.Pool // a collate.Collator is for one goroutine
	sorters   sync.Pool // a sorter too
}

// NewCollation returns a collation.
func NewCollation() *Collation {
	return &Collation{collators: sync.Pool{New: func() any { return collate.New(language.Und) }}}
}

// keptString is the longest string whose collator is kept: it holds four bytes or more
// for each character that it has seen at once.
const keptString = 16 << 10

// Compare compares two JSON values that were checked, without white space around them:
// -1, 0 or 1.
func (c *Collation) Compare(a, b []byte) int { return c.compare(a, b) }

func (c *Collation) compare(a, b value) int {
	k := kindOf(a)
	if order := cmp.Compare(k, kindOf(b)); order != 0 {
		return order
	}
	switch k {
	case kindNumber:
		return compareNumbers(a, b)
	case kindString:
		return c.compareStrings(a, b)
	case kindArray:
		return c.compareArrays(a, b)
	case kindObject:
		return c.compareObjects(a, b)
	default:
		return 0
	}
}

func (c *Collation) compareArrays(a, b value) int {
	i, j := a.space(1), b.space(1)
	for {
		if order, over := ended(a, b, i, j, ']'); over {
			return order
		}
		p, q := a.skip(i), b.skip(j)
		if order := c.compare(a[i:p:p], b[j:q:q]); order != 0 {
			return order
		}
		i, j = a.space(p), b.space(q)
	}
}

func (c *Collation) compareObjects(a, b value) int {
	i, j := a.space(1), b.space(1)
	for {
		if order, over := ended(a, b, i, j, '}'); over {
			return order
		}
		for range 2 { // the name, then the value
			p, q := a.skip(i), b.skip(j)
			if order := c.compare(a[i:p:p], b[j:q:q]); order != 0 {
				return order
			}
			i, j = a.space(p), b.space(q)
		}
	}
}

// ended orders two arrays or objects by which of them ends at its place, if any does.
func ended(a, b value, i, j int, closing byte) (order int, over bool) {
	first := i >= len(a) || a[i] == closing
	second := j >= len(b) || b[j] == closing
	switch {
	case first && second:
		return 0, true
	case first:
		return -1, true
	case second:
		return 1, true
	}
	return 0, false
}

func (c *Collation) compareStrings(a, b value) int {
	if bytes.Equal(a, b) {
		return 0
	}
	x, y := a.text(), b.text()
	if order, ok := compareASCII(x, y); ok {
		return order
	}
	collator := c.collators.Get().(*collate.Collator)
	order := collator.Compare(x, y)
	if max(len(x), len(y)) <= keptString {
		c.collators.Put(collator)
	}
	return order
}

// asciiOrder are the printable characters of ASCII in the root's order; a letter's two
// cases are one weight, and differ only where all else is equal.
const asciiOrder = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"

// weights are the primary weights of ASCII, 0 for what has none.
var weights = asciiWeights()

func asciiWeights() [utf8.RuneSelf]byte {
	var weights [utf8.RuneSelf]byte
	for i := range len(asciiOrder) {
		weight := byte(i + 1)
		c := asciiOrder[i]
		weights[c] = weight
		if 'a' <= c && c <= 'z' {
			weights[c-'a'+'A'] = weight
		}
	}
	return weights
}

// compareASCII compares most texts of printable ASCII, about thirty times as fast as the
// collator. It reports false if another character has, or may have, a say: one behind
// the first difference can be an accent on it.
func compareASCII(a, b []byte) (order int, ok bool) {
	n := min(len(a), len(b))
	tie := 0
	for i := range n {
		p, q := a[i], b[i]
		if p >= utf8.RuneSelf || q >= utf8.RuneSelf || weights[p] == 0 || weights[q] == 0 {
			return 0, false
		}
		if p == q {
			continue
		}
		if weights[p] != weights[q] {
			return cmp.Compare(weights[p], weights[q]), plainAt(a, i+1) && plainAt(b, i+1)
		}
		if tie == 0 {
			tie = -cmp.Compare(p, q) // a small letter comes first
		}
	}
	if !plainAt(a, n) || !plainAt(b, n) {
		return 0, false
	}
	if order := cmp.Compare(len(a), len(b)); order != 0 {
		return order, true
	}
	return tie, true
}

// plainAt reports whether text ends at i or has a character with a weight there.
func plainAt(text []byte, i int) bool {
	return i >= len(text) || text[i] < utf8.RuneSelf && weights[text[i]] != 0
}

// compareBytes is the order of document IDs: strings by their bytes, and above all else, as
// CouchDB compares them.
func (c *Collation) compareBytes(a, b value) int {
	first, second := kindOf(a) == kindString, kindOf(b) == kindString
	switch {
	case first && second:
		return bytes.Compare(a.text(), b.text())
	case first:
		return 1
	case second:
		return -1
	}
	return c.compare(a, b)
}
