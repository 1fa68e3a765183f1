package jsondoc

import (
	"bytes"
	"hash/maphash"
)

const (
	// fewNames is how many names of all open objects are kept without an allocation.
	fewNames = 48
	// wideObject is how many members an object has when its names go into a hash table:
	// comparing each with each costs less below, and is quadratic above.
	wideObject = 32
	// keptTable is the largest table that is used again. Clearing takes time by a
	// table's size, so a large one that many small objects reused would be an attack.
	keptTable = 1024
)

// names holds the names of the objects that are open, as a stack.
type names struct {
	few   [fewNames]name
	more  []name
	count int

	unescaped []byte // names that had escapes, without them
	seed      maphash.Seed
	tables    []map[uint64]int // cleared, for use again
	seeded    bool
}

// name is a name without quotes: a place in the text, or in names.unescaped.
type name struct {
	span
	unescaped bool
}

// object is an object whose members are being read.
type object struct {
	base  int            // its first name in names
	table map[uint64]int // hash of a name to its place in names, if the object is wide
}

func (s *scanner) object() object {
	return object{base: s.names.count}
}

// close drops an object's names.
func (s *scanner) close(o *object) {
	s.depth--
	s.names.count = o.base
	s.names.more = s.names.more[:max(0, o.base-fewNames)]
	if o.table != nil && len(o.table) <= keptTable {
		clear(o.table)
		s.names.tables = append(s.names.tables, o.table)
	}
}

// name returns a name's bytes.
func (s *scanner) name(n name) []byte {
	if n.unescaped {
		return s.names.unescaped[n.start:n.end]
	}
	return s.text[n.start:n.end]
}

func (n *names) at(i int) name {
	if i < fewNames {
		return n.few[i]
	}
	return n.more[i-fewNames]
}

// add adds the name that stands at at to an object, or fails if the object has it.
func (s *scanner) add(o *object, at int, str text) (name, error) {
	n := name{span: span{at + 1, str.end - 1}}
	if str.escaped {
		begin := len(s.names.unescaped)
		s.names.unescaped = appendUnescaped(s.names.unescaped, s.text[n.start:n.end])
		n = name{span{begin, len(s.names.unescaped)}, true}
	}
	if s.contains(o, n) {
		return n, errorAt(ErrDuplicate, at)
	}
	if s.names.count == MaxMembers {
		return n, errorAt(ErrMembers, at)
	}
	if s.names.count < fewNames {
		s.names.few[s.names.count] = n
	} else {
		s.names.more = append(s.names.more, n)
	}
	s.names.count++
	return n, nil
}

// contains reports whether an object has a name, and enters it into the table if the
// object is wide.
func (s *scanner) contains(o *object, n name) bool {
	text := s.name(n)
	if s.names.count-o.base < wideObject {
		return s.search(o, text)
	}
	if o.table == nil {
		o.table = s.table()
		for i := o.base; i < s.names.count; i++ {
			o.table[maphash.Bytes(s.names.seed, s.name(s.names.at(i)))] = i
		}
	}
	hash := maphash.Bytes(s.names.seed, text)
	i, hit := o.table[hash]
	if !hit {
		o.table[hash] = s.names.count
		return false
	}
	// Two names of one hash: practically never. Then the table holds only one of them.
	return bytes.Equal(s.name(s.names.at(i)), text) || s.search(o, text)
}

func (s *scanner) search(o *object, text []byte) bool {
	for i := o.base; i < s.names.count; i++ {
		if bytes.Equal(s.name(s.names.at(i)), text) {
			return true
		}
	}
	return false
}

func (s *scanner) table() map[uint64]int {
	if !s.names.seeded {
		s.names.seed, s.names.seeded = maphash.MakeSeed(), true
	}
	if last := len(s.names.tables) - 1; last >= 0 {
		table := s.names.tables[last]
		s.names.tables = s.names.tables[:last]
		return table
	}
	return make(map[uint64]int, 2*wideObject)
}
