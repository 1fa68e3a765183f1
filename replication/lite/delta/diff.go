package delta

import (
	"bytes"
	"strconv"
)

// Diff returns a delta that makes of old a document that means the same as target: equal
// but for white space, escapes and the order of members. ok is false if there is none that
// is shorter than target, which is then what to send, or if one of them is no JSON object
// as jsondoc wants it.
//
// Diff writes only the forms that need no look at the old value: scalars, [v], [] and
// objects. It takes time by the sizes of the texts, whatever their depth.
func Diff(old, target []byte) (delta []byte, ok bool) {
	from, err := parse(old)
	if err != nil || from.kind(from.top) != '{' {
		return nil, false
	}
	to, err := parse(target)
	if err != nil || to.kind(to.top) != '{' {
		return nil, false
	}
	d := differ{old: from, target: to}
	if !d.object(from.top, to.top) {
		d.out = append(d.out, "{}"...)
	}
	if len(d.out) >= to.top.end-to.top.start {
		return nil, false
	}
	return d.out, true
}

// differ is a delta being made.
type differ struct {
	old, target *text
	out         []byte
}

// fewBytes is up to how many bytes values are compared as they are written before their
// members are: what most documents keep is written alike, and a limit keeps the bytes of
// deep texts from being compared once more on each level.
const fewBytes = 512

// value appends what makes t of o. It appends nothing and returns false if they mean the
// same.
func (d *differ) value(o, t value) bool {
	kind := d.old.kind(o)
	switch {
	case t.end-t.start <= fewBytes && bytes.Equal(d.old.slice(o), d.target.slice(t)):
		return false
	case kind == '{' && d.target.kind(t) == '{':
		return d.object(o, t)
	case kind == '[' && d.target.kind(t) == '[':
		return d.array(o, t)
	case equalScalars(d.old, o, d.target, t):
		return false
	}
	d.literal(t)
	return true
}

// literal appends what makes t of anything.
func (d *differ) literal(t value) {
	raw := d.target.slice(t)
	if raw[0] != '{' && raw[0] != '[' {
		d.out = append(d.out, raw...)
		return
	}
	d.out = append(d.out, '[')
	d.out = append(d.out, raw...)
	d.out = append(d.out, ']')
}

func (d *differ) object(o, t value) bool {
	begin := len(d.out)
	d.out = append(d.out, '{')
	members := d.old.fields(o)
	w := d.target.inside(t)
	for key, v, ok := w.member(); ok; key, v, ok = w.member() {
		mark := len(d.out)
		d.key(d.target.slice(key))
		f := members.find(d.target.str(key))
		if f == nil {
			d.literal(v)
			continue
		}
		f.seen = true
		if !d.value(f.value, v) {
			d.out = d.out[:mark]
		}
	}
	for i := range members.list {
		if f := &members.list[i]; !f.seen {
			d.key(d.old.slice(f.key))
			d.out = append(d.out, "[]"...)
		}
	}
	return d.finish(begin, t)
}

// array appends changes of elements and, if the lengths differ or it is shorter, the end
// of the array as a whole.
func (d *differ) array(o, t value) bool {
	begin := len(d.out)
	d.out = append(d.out, '{')
	left, right := d.old.inside(o), d.target.inside(t)
	var best cut
	for index := 0; ; index++ {
		from, more := left.value()
		to, other := right.value()
		if !other {
			to.start = t.end - 1
		}
		here := cut{index: index, mark: len(d.out), start: to.start, size: len(d.out) - begin + t.end - to.start}
		if index == 0 || here.size < best.size {
			best = here
		}
		if !more || !other {
			d.end(best, here, more != other, t)
			return d.finish(begin, t)
		}
		mark := len(d.out)
		d.index(index)
		d.out = append(d.out, `":`...)
		if !d.value(from, to) {
			d.out = d.out[:mark]
		}
	}
}

// cut is a place from which on an array's elements could be replaced.
type cut struct {
	index int
	mark  int // the length of the output before it
	start int // in target
	size  int // of the array's delta, about
}

// end appends the end of an array from the last place if it must, or from the best.
func (d *differ) end(best, last cut, must bool, t value) {
	size := last.size
	if !must {
		size -= len(`,"n-":[]`)
	}
	if worth(size, best.size) {
		d.out = d.out[:best.mark]
		last, must = best, true
	}
	if !must {
		return
	}
	d.index(last.index)
	d.out = append(d.out, `-":[`...)
	d.out = append(d.out, d.target.raw[last.start:t.end-1]...)
	d.out = append(d.out, ']')
}

// worth reports whether to write over what was written already to have size instead of
// was. Saving a sixteenth each time bounds what is copied by sixteen times what was
// written, where saving a byte on each of many levels would copy a text on each.
func worth(was, size int) bool {
	return was-size > size/16
}

// finish closes the delta of an object or array that began at begin, or takes it back if
// it changes nothing, or replaces t as a whole if that is shorter.
func (d *differ) finish(begin int, t value) bool {
	if len(d.out) == begin+1 {
		d.out = d.out[:begin]
		return false
	}
	d.out = append(d.out, '}')
	if worth(len(d.out)-begin, t.end-t.start+len(`[]`)) {
		d.out = d.out[:begin]
		d.literal(t)
	}
	return true
}

func (d *differ) key(raw []byte) {
	d.comma()
	d.out = append(d.out, raw...)
	d.out = append(d.out, ':')
}

// index appends the beginning of a member's name.
func (d *differ) index(index int) {
	d.comma()
	d.out = append(d.out, '"')
	d.out = strconv.AppendInt(d.out, int64(index), 10)
}

func (d *differ) comma() {
	if d.out[len(d.out)-1] != '{' {
		d.out = append(d.out, ',')
	}
}
