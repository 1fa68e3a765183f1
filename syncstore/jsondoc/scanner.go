package jsondoc

// scanner checks JSON text in one pass. Its methods take the offset to begin at and
// return the offset behind what they passed over. It lives on the stack of its caller
// and allocates only for objects with many members and for names with escapes.
type scanner struct {
	text  []byte
	depth int
	names names
}

// span is text[start:end].
type span struct {
	start, end int
}

func (s *scanner) slice(sp span) []byte {
	return s.text[sp.start:sp.end:sp.end]
}

func (s *scanner) space(at int) int {
	for at < len(s.text) {
		switch s.text[at] {
		case ' ', '\t', '\r', '\n':
			at++
		default:
			return at
		}
	}
	return at
}

// end checks that nothing but white space is left.
func (s *scanner) end(at int) error {
	if at = s.space(at); at != len(s.text) {
		return syntaxError(at, "text after the value")
	}
	return nil
}

// value passes over a value that begins at at.
func (s *scanner) value(at int) (int, error) {
	if at >= len(s.text) {
		return at, syntaxError(at, "unexpected end")
	}
	switch c := s.text[at]; c {
	case '"':
		str, err := s.str(at)
		return str.end, err
	case '{':
		return s.nestedObject(at)
	case '[':
		return s.nestedArray(at)
	case 't':
		return s.literal(at, "true")
	case 'f':
		return s.literal(at, "false")
	case 'n':
		return s.literal(at, "null")
	default:
		if c == '-' || isDigit(c) {
			return s.number(at)
		}
	}
	return at, syntaxError(at, "unexpected byte, expected a value")
}

func (s *scanner) nestedObject(at int) (int, error) {
	if err := s.enter(at); err != nil {
		return at, err
	}
	object := s.object()
	var err error
	at, done := s.first(at+1, '}')
	for ; !done && err == nil; at, done, err = s.next(at, '}') {
		m, err := s.member(at, &object)
		if err != nil {
			return at, err
		}
		at = m.value.end
	}
	s.close(&object)
	return at, err
}

func (s *scanner) nestedArray(at int) (int, error) {
	if err := s.enter(at); err != nil {
		return at, err
	}
	var err error
	at, done := s.first(at+1, ']')
	for ; !done && err == nil; at, done, err = s.next(at, ']') {
		if at, err = s.value(at); err != nil {
			return at, err
		}
	}
	s.depth--
	return at, err
}

// enter goes one level down.
func (s *scanner) enter(at int) error {
	if s.depth == MaxDepth {
		return errorAt(ErrDepth, at)
	}
	s.depth++
	return nil
}

// first finds the first member or element behind an opening bracket. done means that
// there was none and at is behind the closing bracket.
func (s *scanner) first(at int, closing byte) (next int, done bool) {
	at = s.space(at)
	if at < len(s.text) && s.text[at] == closing {
		return at + 1, true
	}
	return at, false
}

// next passes over the comma behind a member or element, or the closing bracket.
func (s *scanner) next(at int, closing byte) (next int, done bool, err error) {
	at = s.space(at)
	switch {
	case at >= len(s.text):
		return at, false, syntaxError(at, "unexpected end")
	case s.text[at] == ',':
		return s.space(at + 1), false, nil
	case s.text[at] == closing:
		return at + 1, true, nil
	case closing == ']':
		return at, false, syntaxError(at, "expected a comma or the end of the array")
	}
	return at, false, syntaxError(at, "expected a comma or the end of the object")
}

// member is a member of an object: a name as it is kept in scanner.names, and the
// place of its value.
type member struct {
	name  name
	value span
}

// member passes over a member that begins at at.
func (s *scanner) member(at int, o *object) (member, error) {
	if at >= len(s.text) {
		return member{}, syntaxError(at, "unexpected end")
	}
	if s.text[at] != '"' {
		return member{}, syntaxError(at, "expected a member name")
	}
	str, err := s.str(at)
	if err != nil {
		return member{}, err
	}
	n, err := s.add(o, at, str)
	if err != nil {
		return member{}, err
	}
	if at = s.space(str.end); at >= len(s.text) || s.text[at] != ':' {
		return member{}, syntaxError(at, "expected a colon")
	}
	begin := s.space(at + 1)
	end, err := s.value(begin)
	return member{name: n, value: span{begin, end}}, err
}

func (s *scanner) literal(at int, word string) (int, error) {
	end := at + len(word)
	if end > len(s.text) || string(s.text[at:end]) != word {
		return at, syntaxError(at, "unexpected word")
	}
	return end, nil
}

// number passes over a number (RFC 8259 section 6).
func (s *scanner) number(at int) (int, error) {
	begin := at
	if s.text[at] == '-' {
		at++
	}
	integer := at
	at = s.digits(at)
	switch {
	case at == integer:
		return at, syntaxError(at, "number without digits")
	case s.text[integer] == '0' && at > integer+1:
		return at, syntaxError(begin, "number with a leading zero")
	}
	if at < len(s.text) && s.text[at] == '.' {
		fraction := at + 1
		if at = s.digits(fraction); at == fraction {
			return at, syntaxError(at, "number without digits behind its point")
		}
	}
	if at < len(s.text) && (s.text[at] == 'e' || s.text[at] == 'E') {
		at++
		if at < len(s.text) && (s.text[at] == '+' || s.text[at] == '-') {
			at++
		}
		exponent := at
		if at = s.digits(exponent); at == exponent {
			return at, syntaxError(at, "number without digits in its exponent")
		}
	}
	return at, nil
}

func (s *scanner) digits(at int) int {
	for at < len(s.text) && isDigit(s.text[at]) {
		at++
	}
	return at
}

func isDigit(c byte) bool {
	return '0' <= c && c <= '9'
}

// openObject finds the opening bracket of a text that must be an object.
func (s *scanner) openObject() (int, error) {
	return s.openTop('{', ErrNotObject)
}

// openTop finds the opening bracket of the whole text. A text that begins as another
// value is wrong; anything else is bad syntax.
func (s *scanner) openTop(opening byte, wrong error) (int, error) {
	at := s.space(0)
	if at < len(s.text) && s.text[at] == opening {
		return at, s.enter(at)
	}
	if err := Check(s.text); err != nil {
		return at, err
	}
	return at, errorAt(wrong, at)
}
