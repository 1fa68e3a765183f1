package delta

import (
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// ErrBadDelta is a delta that is none, or none of the body it is applied to. What wraps it
// says what is wrong and at which byte of the delta, and never quotes either text.
var ErrBadDelta = errors.New("delta cannot be applied")

// Apply returns what delta makes of old, a JSON object. An error is ErrBadDelta, wrapped,
// if the delta is at fault, and another if old is no document.
//
// Both texts must be as jsondoc wants them, with names that occur once. The result is so
// too: it is an object, no deeper than the deeper of the two, and at most as long as both
// together, since each byte of them comes into it at most once (an edited string is
// written in the shortest way). So whoever limits the sizes of bodies and messages limits
// what Apply takes. Members keep the order of old, new ones follow in that of the delta.
func Apply(old, delta []byte) ([]byte, error) {
	from, err := parse(old)
	if err == nil && from.kind(from.top) != '{' {
		err = jsondoc.ErrNotObject
	}
	if err != nil {
		return nil, fmt.Errorf("read the body to apply a delta to: %w", err)
	}
	by, err := parse(delta)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadDelta, err)
	}
	p := patch{old: from, delta: by, out: make([]byte, 0, len(old)+len(delta))}
	kept, err := p.change(from.top, by.top)
	if err != nil {
		return nil, err
	}
	if !kept || p.out[0] != '{' {
		return nil, p.bad(by.top, "a document must stay an object")
	}
	return p.out, nil
}

// patch is a delta being applied.
type patch struct {
	old, delta *text
	out        []byte
}

func (p *patch) bad(at value, what string) error {
	return fmt.Errorf("%w: %s (byte %d)", ErrBadDelta, what, at.start)
}

// change appends what d makes of o, which may be absent. kept is false if d deletes it.
func (p *patch) change(o, d value) (kept bool, err error) {
	switch p.delta.kind(d) {
	case '{':
		return true, p.recurse(o, d)
	case '[':
		return p.replace(o, d)
	}
	p.out = append(p.out, p.delta.slice(d)...)
	return true, nil
}

// recurse is change for a delta that is an object.
func (p *patch) recurse(o, d value) error {
	if o.absent() {
		return p.bad(d, "changes inside a member that is not there")
	}
	w := p.delta.inside(d)
	if _, ok := w.value(); !ok {
		p.out = append(p.out, p.old.slice(o)...)
		return nil
	}
	switch p.old.kind(o) {
	case '{':
		return p.object(o, d)
	case '[':
		return p.array(o, d)
	}
	return p.bad(d, "changes inside a value that is neither object nor array")
}

// replace is change for a delta that is an array.
func (p *patch) replace(o, d value) (kept bool, err error) {
	var items [4]value
	count := 0
	w := p.delta.inside(d)
	for v, ok := w.value(); ok && count < len(items); v, ok = w.value() {
		items[count] = v
		count++
	}
	if o.absent() && count != 1 {
		return false, p.bad(d, "deletes or edits a member that is not there")
	}
	switch {
	case count == 0:
		return false, nil
	case count == 1:
		p.out = append(p.out, p.delta.slice(items[0])...)
		return true, nil
	case count == 2:
		p.out = append(p.out, p.delta.slice(items[1])...)
		return true, p.expect(o, items[0])
	case count == 3 && p.is(items[1], "0") && p.is(items[2], "0"):
		return false, p.expect(o, items[0])
	case count == 3 && p.is(items[1], "0") && p.is(items[2], "2"):
		return true, p.edit(o, items[0])
	}
	return false, p.bad(d, "array of an unknown form")
}

func (p *patch) is(d value, text string) bool {
	return string(p.delta.slice(d)) == text
}

// expect fails if o is not what the delta says it was.
func (p *patch) expect(o, was value) error {
	if !equal(p.old, o, p.delta, was) {
		return p.bad(was, "the old value is another")
	}
	return nil
}

func (p *patch) object(o, d value) error {
	changes := p.delta.fields(d)
	p.out = append(p.out, '{')
	w := p.old.inside(o)
	for key, v, ok := w.member(); ok; key, v, ok = w.member() {
		f := changes.find(p.old.str(key))
		if f == nil {
			p.key(p.old.slice(key))
			p.out = append(p.out, p.old.slice(v)...)
			continue
		}
		f.seen = true
		if err := p.member(p.old.slice(key), v, f.value); err != nil {
			return err
		}
	}
	for i := range changes.list {
		f := &changes.list[i]
		if f.seen {
			continue
		}
		if err := p.member(p.delta.slice(f.key), value{}, f.value); err != nil {
			return err
		}
	}
	p.out = append(p.out, '}')
	return nil
}

// member appends a member with what d makes of o, or nothing if d deletes it.
func (p *patch) member(key []byte, o, d value) error {
	begin := len(p.out)
	p.key(key)
	kept, err := p.change(o, d)
	if !kept {
		p.out = p.out[:begin]
	}
	return err
}

func (p *patch) key(raw []byte) {
	p.comma()
	p.out = append(p.out, raw...)
	p.out = append(p.out, ':')
}

// comma appends a comma, but for the first member or element: no value ends with an
// opening bracket.
func (p *patch) comma() {
	if last := p.out[len(p.out)-1]; last != '{' && last != '[' {
		p.out = append(p.out, ',')
	}
}
