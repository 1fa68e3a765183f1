package query

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// compareWork is what it costs to compare a value with one that is as long.
func compareWork(v value) int {
	work := len(v)
	for _, c := range v {
		if c >= utf8.RuneSelf || c == '\\' {
			work += collatorWork
		}
	}
	return work
}

// compareWorkWith is what it costs to compare a value with another one. Most of a long text is not
// looked at when the other is short, but for two things: it is decoded if there is an escape in it,
// and characters without a weight are passed over, however many there are.
func compareWorkWith(v, with value) int {
	k := kindOf(v)
	switch {
	case k != kindOf(with):
		return 0
	case k != kindString:
		return compareWork(v)
	}
	n := min(len(v), len(with))
	work := compareWork(v[:n]) + collatorWork*weightless(v, n)
	if rest := v[n:]; bytes.IndexByte(v, '\\') >= 0 {
		work += len(rest) + collatorWork*bytes.Count(rest, []byte{'\\'})
	}
	return work
}

// weightless is how many bytes of characters without a weight of their own a text has before so
// many others.
func weightless(text []byte, others int) (n int) {
	for i := 0; i < len(text) && others >= 0; {
		r, size := utf8.DecodeRune(text[i:])
		if r >= unicode.MaxASCII && unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Cc) {
			n += size
		} else {
			others--
		}
		i += size
	}
	return n
}
