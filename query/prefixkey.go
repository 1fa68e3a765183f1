package query

import (
	"bytes"
	"unicode/utf8"
)

// AppendIDKey is AppendSortKey for a document's ID, which selectors compare by bytes.
func AppendIDKey(key []byte, id string) []byte {
	return append(AppendIDPrefix(key, id), 0, 1)
}

// AppendIDPrefix appends what the keys begin with of the IDs that begin with a text.
func AppendIDPrefix(key []byte, text string) []byte {
	return appendEscaped(append(key, sortTag+byte(kindString)), text)
}

// StringKeys is what the sort keys of all strings begin with.
func StringKeys() []byte { return []byte{sortTag + byte(kindString)} }

// ArrayKeys is what the sort keys of all arrays begin with.
func ArrayKeys() []byte { return []byte{sortTag + byte(kindArray)} }

// AppendTextPrefix appends what the sort keys of all strings begin with that begin with a text:
// the letters of the text, without regard to case and accents. Of texts that are not plain ASCII
// it knows only that these are strings: characters may have no weight, or stand elsewhere in the
// order than in the text.
func (c *Collation) AppendTextPrefix(key []byte, text string) []byte {
	key = append(key, sortTag+byte(kindString))
	plain := text
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf || weights[text[i]] == 0 {
			plain = text[:i]
			break
		}
	}
	if len(plain) > keptString {
		plain = plain[:keptString]
	}
	if plain == "" {
		return key
	}
	whole := c.AppendSortKey(nil, quoted(plain))
	double := c.AppendSortKey(nil, quoted(plain+plain))
	return append(key, commonPrefix(whole, double)[1:]...)
}

// commonPrefix is what two keys begin with.
func commonPrefix(a, b []byte) []byte {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return bytes.Clone(a[:n])
}
