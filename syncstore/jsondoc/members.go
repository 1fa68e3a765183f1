package jsondoc

// Members calls fn with the top-level members of a JSON object, in order. A value is
// checked before fn sees it, and shares memory with text; what follows it is not yet
// checked, so fn may have been called when Members fails. The error is fn's own or one
// of the package's, wrapped (ErrNotObject for another JSON value).
func Members(text []byte, fn func(name string, value []byte) error) error {
	s := scanner{text: text}
	at, err := s.openObject()
	if err != nil {
		return err
	}
	object := s.object()
	at, done := s.first(at+1, '}')
	for ; !done && err == nil; at, done, err = s.next(at, '}') {
		m, err := s.member(at, &object)
		if err != nil {
			return err
		}
		if err := fn(string(s.name(m.name)), s.slice(m.value)); err != nil {
			return err
		}
		at = m.value.end
	}
	if err != nil {
		return err
	}
	return s.end(at)
}

// Elements calls fn with the elements of a JSON array, in order, as Members does. It
// fails with ErrNotArray for another JSON value.
func Elements(text []byte, fn func(value []byte) error) error {
	s := scanner{text: text}
	at, err := s.openTop('[', ErrNotArray)
	if err != nil {
		return err
	}
	at, done := s.first(at+1, ']')
	for ; !done && err == nil; at, done, err = s.next(at, ']') {
		end, err := s.value(at)
		if err != nil {
			return err
		}
		if err := fn(s.slice(span{at, end})); err != nil {
			return err
		}
		at = end
	}
	if err != nil {
		return err
	}
	return s.end(at)
}

// String returns the text that a JSON string stands for, or ErrNotString for another
// JSON value.
func String(value []byte) (string, error) {
	s := scanner{text: value}
	at := s.space(0)
	if at >= len(value) || value[at] != '"' {
		if err := Check(value); err != nil {
			return "", err
		}
		return "", errorAt(ErrNotString, at)
	}
	str, err := s.str(at)
	if err != nil {
		return "", err
	}
	if err := s.end(str.end); err != nil {
		return "", err
	}
	inside := value[at+1 : str.end-1]
	if !str.escaped {
		return string(inside), nil
	}
	return string(appendUnescaped(make([]byte, 0, len(inside)), inside)), nil
}
