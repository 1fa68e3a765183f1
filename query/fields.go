package query

// Fields finds fields of documents by their paths, as selectors do. It never changes, and may be
// used by many goroutines at once.
type Fields struct {
	selector Selector // only tops
	paths    [][]string
	places   []int // in tops
}

// NewFields returns what finds the fields at paths, none of which is empty.
func NewFields(paths [][]string) *Fields {
	f := &Fields{paths: paths}
	at := make(map[string]int)
	for _, path := range paths {
		place, ok := at[path[0]]
		if !ok {
			place = len(at)
			at[path[0]] = place
			f.selector.tops = append(f.selector.tops, path[0])
		}
		f.places = append(f.places, place)
	}
	if len(f.selector.tops) > fewTops {
		f.selector.topAt = at
	}
	return f
}

// Uses reports whether one of the fields is the document's member name, or in it.
func (f *Fields) Uses(name string) bool { return f.selector.Uses(name) }

// Values are the values of the fields, JSON, in the order of the paths; nil for those that are
// not there. They share memory with the document.
func (f *Fields) Values(doc *Document) [][]byte {
	m := f.matcher()
	m.find(doc)
	return f.values(m)
}

// ValuesIn is Values for a JSON object, in which names that begin with "_" mean nothing else.
func (f *Fields) ValuesIn(object []byte) [][]byte {
	m := f.matcher()
	m.findIn(object, len(m.tops))
	return f.values(m)
}

func (f *Fields) matcher() *matcher {
	return &matcher{selector: &f.selector, tops: make([]value, len(f.selector.tops)), left: maxWork}
}

func (f *Fields) values(m *matcher) [][]byte {
	values := make([][]byte, len(f.paths))
	for i, path := range f.paths {
		v := m.tops[f.places[i]]
		if v == nil {
			continue
		}
		if v, what := m.follow(v, path[1:]); what == found {
			values[i] = v
		}
	}
	return values
}
