package delta

// elements is what a delta says of an array.
type elements struct {
	changes map[int]value // by index
	cut     int           // from where on the elements are replaced, or -1
	tail    value         // by what
}

// elements reads the members of a delta of an array.
func (p *patch) elements(d value) (elements, error) {
	e := elements{changes: make(map[int]value), cut: -1}
	w := p.delta.inside(d)
	for key, v, ok := w.member(); ok; key, v, ok = w.member() {
		index, rest, ok := decimal(p.delta.str(key))
		switch {
		case !ok:
			return e, p.bad(key, "name that is no index of an array")
		case len(rest) == 0:
			e.changes[index] = v
		case string(rest) != "-":
			return e, p.bad(key, "name that is no index of an array")
		case e.cut >= 0:
			return e, p.bad(key, "second replacement of the end of an array")
		case p.delta.kind(v) != '[':
			return e, p.bad(v, "end of an array that is no array")
		default:
			e.cut, e.tail = index, v
		}
	}
	return e, nil
}

func (p *patch) array(o, d value) error {
	e, err := p.elements(d)
	if err != nil {
		return err
	}
	p.out = append(p.out, '[')
	index, changed := 0, 0
	w := p.old.inside(o)
	for ; index != e.cut; index++ {
		v, ok := w.value()
		if !ok {
			break
		}
		p.comma()
		change, ok := e.changes[index]
		if !ok {
			p.out = append(p.out, p.old.slice(v)...)
			continue
		}
		changed++
		kept, err := p.change(v, change)
		if err != nil {
			return err
		}
		if !kept {
			return p.bad(change, "deletes an element of an array")
		}
	}
	if changed < len(e.changes) || index < e.cut {
		return p.bad(d, "index behind the end of an array")
	}
	if e.cut >= 0 {
		w := p.delta.inside(e.tail)
		for v, ok := w.value(); ok; v, ok = w.value() {
			p.comma()
			p.out = append(p.out, p.delta.slice(v)...)
		}
	}
	p.out = append(p.out, ']')
	return nil
}

// decimal reads the number that b begins with, as strconv would write it, so that an index
// has one name. ok is false for none and for one that no text has room for.
func decimal(b []byte) (n int, rest []byte, ok bool) {
	const digits = 9
	i := 0
	for i < len(b) && i <= digits && '0' <= b[i] && b[i] <= '9' {
		n = 10*n + int(b[i]-'0')
		i++
	}
	if i == 0 || i > digits || i > 1 && b[0] == '0' {
		return 0, nil, false
	}
	return n, b[i:], true
}
