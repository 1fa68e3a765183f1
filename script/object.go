package script

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/dop251/goja"
)

// fewMembers is up to how many members are found by comparing names.
const fewMembers = 32

// object is an object of the script whose members are made from JSON text when they are
// looked at. It is like any other, with two exceptions: it can not be frozen or sealed,
// and its members are plain values (no getters, no symbols).
type object struct {
	s       *sandbox
	text    string
	depth   int // of the object in the text
	members []member
	table   map[string]int // name to place, if there are many
}

// gone stands for the place of a deleted member.
const gone = -1

type member struct {
	name  string
	start int        // of the value in the text; gone if it was deleted
	value goja.Value // once it was made or set
}

// index finds the members of the object that begins at at.
func (p *jsonParser) index(at int, o *object) (int, error) {
	return p.items(at, '}', func(at int) (int, error) {
		name, begin, err := p.name(at)
		if err != nil {
			return begin, err
		}
		end, err := p.skip(begin)
		if err != nil {
			return end, err
		}
		if i := o.find(name); i >= 0 { // the last one counts, as with JSON.parse
			o.members[i].start = begin
			return end, nil
		}
		if p.s.made++; p.s.made > maxValues {
			return end, fmt.Errorf("JSON of more than %d values", maxValues)
		}
		o.add(member{name: name, start: begin})
		return end, nil
	})
}

func (o *object) add(m member) {
	o.members = append(o.members, m)
	if len(o.members) <= fewMembers {
		return
	}
	if o.table == nil {
		o.table = make(map[string]int, 4*fewMembers)
		for i := range o.members {
			o.table[o.members[i].name] = i
		}
	}
	o.table[m.name] = len(o.members) - 1
}

// newObject makes an object of an argument, or in one if its depth is not 0. Arguments
// themselves have memory of former ones.
func (s *sandbox) newObject(text string, depth int) *object {
	o := &object{s: s, text: text, depth: depth}
	if depth > 0 {
		return o
	}
	if last := len(s.spare) - 1; last >= 0 {
		o.members, s.spare = s.spare[last], s.spare[:last]
	} else {
		o.members = make([]member, 0, fewMembers)
	}
	s.objects = append(s.objects, o)
	return o
}

// reclaim takes the members back when the call has ended: nothing of it is left that
// could look at them.
func (s *sandbox) reclaim() {
	for _, o := range s.objects {
		if cap(o.members) == fewMembers {
			clear(o.members)
			s.spare = append(s.spare, o.members[:0])
		}
		o.members = nil
	}
	clear(s.objects)
	s.objects = s.objects[:0]
}

// find returns the place of a member, or -1.
func (o *object) find(name string) int {
	if o.table != nil {
		if i, ok := o.table[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

// Get makes a member's value, once.
func (o *object) Get(name string) goja.Value {
	i := o.find(name)
	if i < 0 || o.members[i].start == gone {
		return nil
	}
	m := &o.members[i]
	if m.value == nil {
		p := jsonParser{s: o.s, text: o.text, depth: o.depth + 1, lazy: true}
		value, _, err := p.value(m.start)
		if err != nil { // too large; that it is JSON was checked when it was found
			panic(o.s.rangeError("%s: %s", name, err.Error()))
		}
		m.value = value
	}
	return m.value
}

// Set gives a member a value.
func (o *object) Set(name string, value goja.Value) bool {
	i := o.find(name)
	if i < 0 {
		o.s.checkLength(int64(len(o.members)))
		o.add(member{name: name, value: value})
		return true
	}
	if o.members[i].start == gone { // a member that is set again is the last one
		o.members = slices.Delete(o.members, i, i+1)
		o.rebuild()
		o.add(member{name: name, value: value})
		return true
	}
	o.members[i].value = value
	return true
}

func (o *object) rebuild() {
	if o.table == nil {
		return
	}
	clear(o.table)
	for i := range o.members {
		o.table[o.members[i].name] = i
	}
}

// Has reports whether there is a member of the name.
func (o *object) Has(name string) bool {
	i := o.find(name)
	return i >= 0 && o.members[i].start != gone
}

// Delete takes a member away.
func (o *object) Delete(name string) bool {
	if i := o.find(name); i >= 0 {
		o.members[i].start, o.members[i].value = gone, nil
	}
	return true
}

// Keys returns the names in the order of the language: array indexes first, by size.
func (o *object) Keys() []string {
	keys := make([]string, 0, len(o.members))
	var indexes []uint32
	for i := range o.members {
		if o.members[i].start == gone {
			continue
		}
		if index, ok := arrayIndex(o.members[i].name); ok {
			indexes = append(indexes, index)
			continue
		}
		keys = append(keys, o.members[i].name)
	}
	if indexes == nil {
		return keys
	}
	slices.Sort(indexes)
	all := make([]string, 0, len(o.members))
	for _, index := range indexes {
		all = append(all, strconv.FormatUint(uint64(index), 10))
	}
	return append(all, keys...)
}

// arrayIndex reports whether a name is the decimal text of an array's index.
func arrayIndex(name string) (uint32, bool) {
	if name == "" || len(name) > 10 || name[0] < '0' || name[0] > '9' || name[0] == '0' && len(name) > 1 {
		return 0, false
	}
	index, err := strconv.ParseUint(name, 10, 32)
	return uint32(index), err == nil && index != 1<<32-1
}
