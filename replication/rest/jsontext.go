package rest

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendQuoted[T string | []byte](b []byte, s T) []byte {
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

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// eachMember calls fn with the members of a JSON object, in order. It checks the
// object's own syntax and the names; fn must check the values (or they have been).
// A name that comes twice is an error (DECISIONS 26).
func eachMember(text []byte, fn func(name string, value []byte) error) error {
	c := cursor{text: text}
	if !c.take('{') {
		return fmt.Errorf("%w: expected an object", jsondoc.ErrNotObject)
	}
	seen := make(map[string]struct{}, 8)
	for first := true; !c.take('}'); first = false {
		if !first && !c.take(',') {
			return fmt.Errorf("%w: expected , or }", jsondoc.ErrSyntax)
		}
		raw, err := c.value()
		if err != nil {
			return err
		}
		name, err := unquote(raw)
		if err != nil {
			return err
		}
		if _, twice := seen[name]; twice {
			return fmt.Errorf("%w: %q", jsondoc.ErrDuplicate, name)
		}
		seen[name] = struct{}{}
		if !c.take(':') {
			return fmt.Errorf("%w: expected :", jsondoc.ErrSyntax)
		}
		value, err := c.value()
		if err != nil {
			return err
		}
		if err := fn(name, value); err != nil {
			return err
		}
	}
	return c.end()
}

// eachElement calls fn with the elements of a JSON array, in order; as eachMember.
func eachElement(text []byte, fn func(value []byte) error) error {
	c := cursor{text: text}
	if !c.take('[') {
		return fmt.Errorf("%w: expected an array", jsondoc.ErrSyntax)
	}
	for first := true; !c.take(']'); first = false {
		if !first && !c.take(',') {
			return fmt.Errorf("%w: expected , or ]", jsondoc.ErrSyntax)
		}
		value, err := c.value()
		if err != nil {
			return err
		}
		if err := fn(value); err != nil {
			return err
		}
	}
	return c.end()
}

// unquote reads a JSON string.
func unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", fmt.Errorf("%w: expected a string", jsondoc.ErrSyntax)
	}
	simple := true
	for _, c := range raw[1 : len(raw)-1] {
		if c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			simple = false
			break
		}
	}
	if simple && raw[len(raw)-1] == '"' {
		return string(raw[1 : len(raw)-1]), nil
	}
	if err := jsondoc.Check(raw); err != nil {
		return "", err
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%w: %w", jsondoc.ErrSyntax, err)
	}
	if strings.ContainsRune(s, utf8.RuneError) && strings.Contains(string(raw), `\u`) &&
		!strings.Contains(strings.ToLower(string(raw)), `\ufffd`) && !strings.ContainsRune(string(raw), utf8.RuneError) {
		return "", fmt.Errorf("%w: half of a surrogate pair", jsondoc.ErrUTF8)
	}
	return s, nil
}

// cursor walks over JSON text. It finds where values end and leaves it to others to
// check what is inside.
type cursor struct {
	text []byte
	at   int
}

func (c *cursor) space() {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return
		}
	}
}

// take passes over char if it comes next.
func (c *cursor) take(char byte) bool {
	c.space()
	if c.at < len(c.text) && c.text[c.at] == char {
		c.at++
		return true
	}
	return false
}

// end fails if anything is left.
func (c *cursor) end() error {
	c.space()
	if c.at != len(c.text) {
		return fmt.Errorf("%w: text after the value", jsondoc.ErrSyntax)
	}
	return nil
}

// value passes over a value and returns its text.
func (c *cursor) value() ([]byte, error) {
	c.space()
	begin := c.at
	depth := 0
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case '"':
			if !c.passString() {
				return nil, fmt.Errorf("%w: string without an end", jsondoc.ErrSyntax)
			}
			if depth == 0 {
				return c.text[begin:c.at], nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return c.scalar(begin)
			}
			depth--
			if depth == 0 {
				c.at++
				return c.text[begin:c.at], nil
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return c.scalar(begin)
			}
		}
		c.at++
	}
	if depth > 0 {
		return nil, fmt.Errorf("%w: text ends inside a value", jsondoc.ErrSyntax)
	}
	return c.scalar(begin)
}

func (c *cursor) scalar(begin int) ([]byte, error) {
	if c.at == begin {
		return nil, fmt.Errorf("%w: expected a value", jsondoc.ErrSyntax)
	}
	return c.text[begin:c.at], nil
}

// passString passes over a string; c.at is at its opening quote.
func (c *cursor) passString() bool {
	for c.at++; c.at < len(c.text); c.at++ {
		switch c.text[c.at] {
		case '\\':
			c.at++
		case '"':
			c.at++
			return true
		}
	}
	c.at = min(c.at, len(c.text))
	return false
}
