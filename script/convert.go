package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// argument makes a value of a JSON text, nil being null. An object's members are found
// and checked, but made only when the script looks at them (object.go): that is what
// makes calls cheap, since most functions look at a few members of a document, and
// independent of how much else a client puts into one.
// Measured for 1 KB on a busy machine: JSON.parse 143 µs, all members at once 45 µs,
// three of them 12 µs (BenchmarkConvert).
func (s *sandbox) argument(text string) (goja.Value, error) {
	p := jsonParser{s: s, text: text, lazy: true}
	return p.whole(p.space(0))
}

// lazyObject makes an object whose members are made when they are looked at.
func (p *jsonParser) lazyObject(at int) (goja.Value, int, error) {
	object := p.s.newObject(p.text, p.depth)
	at, err := p.index(at, object)
	return p.s.js.NewDynamicObject(object), at, err
}

// parse makes a value of a JSON text as JSON.parse does.
func (s *sandbox) parse(text string) (goja.Value, error) {
	p := jsonParser{s: s, text: text}
	return p.whole(p.space(0))
}

// jsonParser reads JSON (RFC 8259). Its methods take the offset to begin at and return
// the offset behind what they read.
type jsonParser struct {
	s     *sandbox
	text  string
	depth int
	lazy  bool // objects are made member by member
}

// whole makes a value of all the text from at on.
func (p *jsonParser) whole(at int) (goja.Value, error) {
	value, at, err := p.value(at)
	if err == nil {
		err = p.end(at)
	}
	return value, err
}

func (p *jsonParser) end(at int) error {
	if at = p.space(at); at != len(p.text) {
		return p.wrong(at)
	}
	return nil
}

func (p *jsonParser) wrong(at int) error {
	if at >= len(p.text) {
		return fmt.Errorf("invalid JSON: unexpected end")
	}
	return fmt.Errorf("invalid JSON at byte %d", at)
}

func (p *jsonParser) space(at int) int {
	for at < len(p.text) && (p.text[at] == ' ' || p.text[at] == '\n' || p.text[at] == '\r' || p.text[at] == '\t') {
		at++
	}
	return at
}

// enter goes one level down.
func (p *jsonParser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return fmt.Errorf("JSON nested more than %d levels deep", maxDepth)
	}
	return nil
}

// items calls read for each element or member of what begins at at, behind its bracket.
func (p *jsonParser) items(at int, closing byte, read func(at int) (int, error)) (int, error) {
	if err := p.enter(); err != nil {
		return at, err
	}
	at = p.space(at + 1)
	if at < len(p.text) && p.text[at] == closing {
		p.depth--
		return at + 1, nil
	}
	for {
		var err error
		if at, err = read(at); err != nil {
			return at, err
		}
		at = p.space(at)
		if at >= len(p.text) || p.text[at] != ',' && p.text[at] != closing {
			return at, p.wrong(at)
		}
		if p.text[at] == closing {
			p.depth--
			return at + 1, nil
		}
		at = p.space(at + 1)
	}
}

// name reads a member's name and the colon, up to the value.
func (p *jsonParser) name(at int) (string, int, error) {
	if at >= len(p.text) || p.text[at] != '"' {
		return "", at, p.wrong(at)
	}
	begin := at
	at, escaped, err := p.skipString(at)
	if err != nil {
		return "", at, err
	}
	name := p.text[begin+1 : at-1]
	if escaped {
		name = unescape(name)
	}
	if at = p.space(at); at >= len(p.text) || p.text[at] != ':' {
		return "", at, p.wrong(at)
	}
	return name, p.space(at + 1), nil
}

// value makes the value that begins at at.
func (p *jsonParser) value(at int) (goja.Value, int, error) {
	if at >= len(p.text) {
		return nil, at, p.wrong(at)
	}
	if p.s.stopped.Load() {
		return nil, at, errors.New("stopped") // the reason is the watch's
	}
	if p.s.made++; p.s.made > maxValues {
		return nil, at, fmt.Errorf("JSON of more than %d values", maxValues)
	}
	switch p.text[at] {
	case '{':
		if p.lazy {
			return p.lazyObject(at)
		}
		return p.object(at)
	case '[':
		return p.array(at)
	case '"':
		end, escaped, err := p.skipString(at)
		if err != nil {
			return nil, end, err
		}
		text := p.text[at+1 : end-1]
		if p.lazy && len(text) > maxText {
			return nil, end, fmt.Errorf("a text of more than %d KiB", maxText>>10)
		}
		if escaped {
			text = unescape(text)
		}
		return p.s.js.ToValue(text), end, nil
	}
	end, err := p.skip(at)
	if err != nil {
		return nil, end, err
	}
	switch p.text[at] {
	case 't':
		return p.s.js.ToValue(true), end, nil
	case 'f':
		return p.s.js.ToValue(false), end, nil
	case 'n':
		return goja.Null(), end, nil
	}
	return p.s.number(p.text[at:end]), end, nil
}

// object makes an object. It gets its prototype in the end: so a member named __proto__
// is one like others, and what the prototype has is not looked for.
func (p *jsonParser) object(at int) (goja.Value, int, error) {
	o := p.s.js.CreateObject(nil)
	at, err := p.items(at, '}', func(at int) (int, error) {
		name, at, err := p.name(at)
		if err != nil {
			return at, err
		}
		value, at, err := p.value(at)
		if err != nil {
			return at, err
		}
		return at, o.Set(name, value)
	})
	if err != nil {
		return nil, at, err
	}
	return o, at, o.SetPrototype(p.s.object)
}

func (p *jsonParser) array(at int) (goja.Value, int, error) {
	var elements []any
	at, err := p.items(at, ']', func(at int) (int, error) {
		value, at, err := p.value(at)
		elements = append(elements, value)
		return at, err
	})
	if err != nil {
		return nil, at, err
	}
	return p.s.js.NewArray(elements...), at, nil
}

// skip checks the value that begins at at.
func (p *jsonParser) skip(at int) (int, error) {
	if at >= len(p.text) {
		return at, p.wrong(at)
	}
	switch c := p.text[at]; {
	case c == '"':
		at, _, err := p.skipString(at)
		return at, err
	case c == '{':
		return p.items(at, '}', func(at int) (int, error) {
			_, at, err := p.name(at)
			if err != nil {
				return at, err
			}
			return p.skip(at)
		})
	case c == '[':
		return p.items(at, ']', p.skip)
	case c == '-' || '0' <= c && c <= '9':
		return p.skipNumber(at)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.text[at:], word) {
			return at + len(word), nil
		}
	}
	return at, p.wrong(at)
}

func (p *jsonParser) skipString(at int) (end int, escaped bool, err error) {
	for at++; at < len(p.text); at++ {
		if at = plainEnd(p.text, at); at == len(p.text) {
			break
		}
		switch c := p.text[at]; {
		case c == '"':
			return at + 1, escaped, nil
		case c == '\\':
			escaped = true
			at++
			if at >= len(p.text) || !strings.ContainsRune(`"\/bfnrtu`, rune(p.text[at])) {
				return at, escaped, p.wrong(at)
			}
			if p.text[at] == 'u' {
				if _, ok := hex4(p.text[at+1:]); !ok {
					return at, escaped, p.wrong(at)
				}
				at += 4
			}
		case c < ' ':
			return at, escaped, p.wrong(at)
		}
	}
	return at, escaped, p.wrong(at)
}

// plainEnd passes over eight bytes at a time that are no end, no escape and no control character.
func plainEnd(text string, at int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for at+8 <= len(text) {
		t := text[at : at+8]
		w := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
			uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
		// A byte of zero is found by what borrows from it, though not by each that is found is one.
		quote, escape := w^(ones*'"'), w^(ones*'\\')
		found := (quote-ones)&^quote | (escape-ones)&^escape | (w-ones*' ')&^w
		if found&tops != 0 {
			return at
		}
		at += 8
	}
	return at
}

func (p *jsonParser) skipNumber(at int) (int, error) {
	digits := func() bool {
		begin := at
		for at < len(p.text) && '0' <= p.text[at] && p.text[at] <= '9' {
			at++
		}
		return at > begin
	}
	is := func(chars string) bool { return at < len(p.text) && strings.IndexByte(chars, p.text[at]) >= 0 }
	if is("-") {
		at++
	}
	if is("0") {
		at++
	} else if !digits() {
		return at, p.wrong(at)
	}
	if is(".") {
		if at++; !digits() {
			return at, p.wrong(at)
		}
	}
	if is("eE") {
		if at++; is("+-") {
			at++
		}
		if !digits() {
			return at, p.wrong(at)
		}
	}
	return at, nil
}

// number makes a number. Those that a double can not hold are rounded, as in JavaScript:
// the script may see 9007199254740992 where the document has …993.
func (s *sandbox) number(text string) goja.Value {
	if len(text) <= 15 && text != "-0" { // below 2^53
		if integer, err := strconv.ParseInt(text, 10, 64); err == nil {
			return s.js.ToValue(integer)
		}
	}
	float, _ := strconv.ParseFloat(text, 64) // out of range: infinite, as in JavaScript
	return s.js.ToValue(float)
}

func hex4(text string) (uint16, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var code uint16
	for _, c := range []byte(text[:4]) {
		switch {
		case '0' <= c && c <= '9':
			code = code<<4 | uint16(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			code = code<<4 | uint16(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return code, true
}

// unescape replaces the escapes of a text that skipString has checked.
func unescape(text string) string {
	plain := make([]byte, 0, len(text))
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			plain = append(plain, text[at])
			continue
		}
		at++
		switch c := text[at]; c {
		case 'b':
			plain = append(plain, '\b')
		case 'f':
			plain = append(plain, '\f')
		case 'n':
			plain = append(plain, '\n')
		case 'r':
			plain = append(plain, '\r')
		case 't':
			plain = append(plain, '\t')
		case 'u':
			code, _ := hex4(text[at+1:])
			at += 4
			char := rune(code)
			if utf16.IsSurrogate(char) {
				char = utf8.RuneError
				if strings.HasPrefix(text[at+1:], `\u`) {
					second, _ := hex4(text[at+3:])
					if pair := utf16.DecodeRune(rune(code), rune(second)); pair != utf8.RuneError {
						char, at = pair, at+6
					}
				}
			}
			plain = utf8.AppendRune(plain, char)
		default:
			plain = append(plain, c)
		}
	}
	return string(plain)
}
