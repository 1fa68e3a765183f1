package delta

import "bytes"

// fewFields is up to how many members an object is searched one by one.
const fewFields = 8

// fields are the members of an object, to be found by name.
type fields struct {
	list  []field
	names map[string]int // of more than fewFields, made when one is not where it is looked for first
	next  int            // behind the one found last: two objects mostly have one order
}

type field struct {
	name  []byte // without escapes
	key   value  // the name as it is written
	value value
	seen  bool
}

func (t *text) fields(object value) fields {
	var f fields
	w := t.inside(object)
	for key, v, ok := w.member(); ok; key, v, ok = w.member() {
		f.list = append(f.list, field{name: t.str(key), key: key, value: v})
	}
	return f
}

// find returns the member of a name, or nil.
func (f *fields) find(name []byte) *field {
	at := f.place(name)
	if at < 0 {
		return nil
	}
	f.next = at + 1
	return &f.list[at]
}

func (f *fields) place(name []byte) int {
	if f.next < len(f.list) && bytes.Equal(f.list[f.next].name, name) {
		return f.next
	}
	if len(f.list) <= fewFields {
		for i := range f.list {
			if bytes.Equal(f.list[i].name, name) {
				return i
			}
		}
		return -1
	}
	if f.names == nil {
		f.names = make(map[string]int, len(f.list))
		for i := range f.list {
			f.names[string(f.list[i].name)] = i
		}
	}
	if at, ok := f.names[string(name)]; ok {
		return at
	}
	return -1
}
