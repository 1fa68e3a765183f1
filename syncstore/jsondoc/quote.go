package jsondoc

import "unicode/utf8"

// AppendString appends s as a JSON string, the shortest that stands for it (RFC 8259 section 7).
// Bytes that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[begin:i]...)
			b = appendEscape(b, c)
			i++
			begin = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[begin:i]...)
			b = append(b, "\uFFFD"...)
			i++
			begin = i
			continue
		}
		i += size
	}
	b = append(b, s[begin:]...)
	return append(b, '"')
}

// short has the characters that stand for others after a backslash.
var short = [...]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

func appendEscape(b []byte, c byte) []byte {
	if letter := short[c]; letter != 0 {
		return append(b, '\\', letter)
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
