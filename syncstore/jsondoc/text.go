package jsondoc

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a string that was passed over.
type text struct {
	end     int // behind the closing quote
	escaped bool
}

// str passes over a string whose opening quote is at at (RFC 8259 section 7).
func (s *scanner) str(at int) (text, error) {
	escaped := false
	for at = s.plain(at + 1); at < len(s.text); at = s.plain(at) {
		switch c := s.text[at]; {
		case c == '"':
			return text{at + 1, escaped}, nil
		case c == '\\':
			escaped = true
			next, err := s.escape(at)
			if err != nil {
				return text{end: at}, err
			}
			at = next
		case c < ' ':
			return text{end: at}, syntaxError(at, "control character in a string")
		default:
			r, size := utf8.DecodeRune(s.text[at:])
			if r == utf8.RuneError && size == 1 {
				return text{end: at}, errorAt(ErrUTF8, at)
			}
			at += size
		}
	}
	return text{end: at}, syntaxError(at, "unexpected end in a string")
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// plain passes over characters of a string that need no look: ASCII but quotes,
// backslashes and controls. It looks at eight bytes at a time: subtracting from each
// byte borrows into its top bit exactly if it is smaller, and the lowest top bit set is
// never due to a neighbour.
func (s *scanner) plain(at int) int {
	for ; len(s.text)-at >= 8; at += 8 {
		w := binary.LittleEndian.Uint64(s.text[at:])
		stop := (w - ones*' ') | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones) | w
		if stop &= tops; stop != 0 {
			return at + bits.TrailingZeros64(stop)/8
		}
	}
	for at < len(s.text) {
		if c := s.text[at]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return at
		}
		at++
	}
	return at
}

// escape passes over the escape whose backslash is at at. Half of a surrogate pair is an
// error: no UTF-8 text and so no client can hold it.
func (s *scanner) escape(at int) (int, error) {
	if at+1 >= len(s.text) {
		return at, syntaxError(at, "unexpected end in a string")
	}
	switch s.text[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 2, nil
	case 'u':
	default:
		return at, syntaxError(at, "unknown escape")
	}
	r, ok := hex4(s.text[at+2:])
	if !ok {
		return at, syntaxError(at, "escape without four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return at + 6, nil
	}
	if rest := s.text[at+6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		low, ok := hex4(rest[2:])
		if ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return at + 12, nil
		}
	}
	return at, errorAt(ErrUTF8, at)
}

// hex4 reads the four hexadecimal digits that digits begins with.
func hex4(digits []byte) (rune, bool) {
	if len(digits) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range digits[:4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// appendUnescaped appends the meaning of the inside of a string that was checked.
func appendUnescaped(b, inside []byte) []byte {
	for i := 0; i < len(inside); {
		if inside[i] != '\\' {
			b = append(b, inside[i])
			i++
			continue
		}
		c := inside[i+1]
		i += 2
		if c != 'u' {
			b = append(b, escapedByte(c))
			continue
		}
		r, _ := hex4(inside[i:])
		i += 4
		if utf16.IsSurrogate(r) {
			low, _ := hex4(inside[i+2:])
			r = utf16.DecodeRune(r, low)
			i += 6
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

// escapedByte returns what a backslash and c stand for.
func escapedByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
