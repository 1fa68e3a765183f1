package mango

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
)

// maxRanges is how many parts of an index are read one by one; of more, what is between the first
// and the last is read too.
const maxRanges = 100

// Plan is how a query is answered.
type Plan struct {
	// Index is what is read; nil if no index can have the order that is asked for.
	Index *Index
	// Ranges are the parts of it that are read, in ascending order, without overlap. None: nothing can match.
	Ranges []Range
	// Points: each of the ranges is of one ID.
	Points bool
	// Descending reads from the end.
	Descending bool
	// Candidates are the other indexes, in the order in which they would be taken.
	Candidates []Candidate
}

// Range is a part of an index: the rows whose bytes are Low or more, and less than High if that is
// not nil.
type Range struct {
	Low, High []byte
	// Start and End are the values that it was made of, those of the first fields; the last one
	// may be missing.
	Start, End []bound
}

// Candidate is an index that was not chosen.
type Candidate struct {
	Index  *Index
	Usable bool
	// Reason is CouchDB's name for why it was not chosen.
	Reason string
}

// Why an index was not chosen, by CouchDB's names.
const (
	reasonPartial  = "is_partial"
	reasonFields   = "field_mismatch"
	reasonSort     = "sort_order_mismatch"
	reasonExcluded = "excluded_by_user"
	reasonType     = "unfavored_type"
	reasonOverlap  = "less_overlap"
	reasonWide     = "too_many_fields"
	reasonName     = "alphabetically_comes_after"
)

// question is what the planner is asked.
type question struct {
	selector *query.Selector
	sort     []Field
	// useIndex names a design document, and perhaps an index of it.
	useIndex      []string
	allowFallback bool
	// only, if not nil, is the index that a bookmark belongs to.
	only *syncstore.IndexID
	// hidden reports whether who asks may not name an index.
	hidden func(*Index) bool
}

// names reports whether the question names an index.
func (q *question) names(x *Index) bool {
	return len(q.useIndex) > 0 && x.Design == q.useIndex[0] && !x.Special() && !q.hidden(x) &&
		(len(q.useIndex) == 1 || x.Name == q.useIndex[1])
}

// planner chooses an index. It reads nothing but what it is given.
type planner struct {
	q     *question
	musts []query.Must
	keys  func(*Index) keys
}

// plan chooses an index as CouchDB does: that which covers the most of the selector, of these the
// one with the fewest fields, and then by name. Two rules are added: a selector that names IDs is
// answered by these; and of indexes that cover as much, that is taken which begins with more fields
// that have one value, since the rest of it is bounded too then.
func (m *Mango) plan(indexes []*Index, q *question) (*Plan, error) {
	p := &planner{q: q, musts: q.selector.Musts(), keys: m.keysOf}
	var usable, named []*Index
	reasons := make(map[*Index]string)
	for _, x := range indexes {
		reason := p.unusable(x)
		if reason != "" {
			reasons[x] = reason
			continue
		}
		usable = append(usable, x)
		if q.names(x) {
			named = append(named, x)
		}
	}
	chosen, err := p.choose(usable, named, reasons)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Index: chosen, Descending: len(q.sort) > 0 && q.sort[0].Descending}
	plan.Candidates = p.candidates(indexes, usable, chosen, reasons)
	if chosen != nil {
		plan.Ranges, plan.Points = p.ranges(chosen)
	}
	return plan, nil
}

// unusable is why an index cannot answer, "" if it can: it has only documents with all of its
// fields, so that the selector or the sort must want these.
func (p *planner) unusable(x *Index) string {
	if x.Partial != nil && !p.q.names(x) {
		return reasonPartial
	}
	if !p.sorts(x) {
		return reasonSort
	}
	for _, f := range x.Fields {
		always := len(f.Path) == 1 && (f.Path[0] == "_id" || f.Path[0] == "_rev")
		if !always && !has(p.q.sort, f.Path) && !p.q.selector.Requires(f.Path) {
			return reasonFields
		}
	}
	return ""
}

// sorts reports whether an index has the order that is asked for: after fields that have one
// value only, it goes by the fields of the sort.
func (p *planner) sorts(x *Index) bool {
	fields := x.Fields
	for len(p.q.sort) > 0 {
		if len(fields) >= len(p.q.sort) && slices.EqualFunc(p.q.sort, fields[:len(p.q.sort)], func(a, b Field) bool { return slices.Equal(a.Path, b.Path) }) {
			return true
		}
		if len(fields) == 0 || !p.constant(fields[0].Path) {
			return false
		}
		fields = fields[1:]
	}
	return true
}

// constant reports whether all documents have one value in a field.
func (p *planner) constant(path []string) bool {
	return slices.ContainsFunc(p.musts, func(m query.Must) bool { return m.Operator == "$eq" && slices.Equal(m.Path, path) })
}

// choose chooses among the usable indexes, and notes why not the others.
func (p *planner) choose(usable, named []*Index, reasons map[*Index]string) (*Index, error) {
	if p.q.only != nil {
		at := slices.IndexFunc(usable, func(x *Index) bool { return x.id == *p.q.only })
		if at < 0 {
			return nil, bad("invalid_bookmark", "The bookmark is of another query, or of an index that is gone.")
		}
		return usable[at], nil
	}
	if len(usable) == 0 {
		return nil, nil
	}
	from := usable
	if len(named) > 0 {
		from = named
		for _, x := range usable {
			if !slices.Contains(named, x) {
				reasons[x] = reasonExcluded
			}
		}
	} else if !p.q.allowFallback && (len(p.q.useIndex) > 0 || len(usable) == 1) {
		return nil, p.q.noFallback()
	}
	best := slices.MinFunc(from, p.compare)
	for _, x := range from {
		if x != best {
			reasons[x] = p.worse(x, best)
		}
	}
	return best, nil
}

func (q *question) noFallback() error {
	switch len(q.useIndex) {
	case 0:
		return bad("invalid_index", "You must specify an index with the `use_index` parameter.")
	case 1:
		return bad("invalid_index", "%s specified by `use_index` could not be found or it is not suitable.", shown(q.useIndex[0]))
	}
	return bad("invalid_index", "%s, %s specified by `use_index` could not be found or it is not suitable.", shown(q.useIndex[0]), shown(q.useIndex[1]))
}

// compare orders usable indexes, the best first.
func (p *planner) compare(x, y *Index) int {
	return cmp.Or(
		cmp.Compare(p.last(x), p.last(y)),
		-cmp.Compare(p.overlap(x), p.overlap(y)),
		-cmp.Compare(p.exact(x), p.exact(y)),
		cmp.Compare(len(x.Fields), len(y.Fields)),
		x.compare(y),
	)
}

// last puts _all_docs behind all others, unless the selector names IDs.
func (p *planner) last(x *Index) int {
	if !x.Special() {
		return 1
	}
	names := func(m query.Must) bool {
		return len(m.Path) == 1 && m.Path[0] == "_id" && (m.Operator == "$eq" || m.Operator == "$in")
	}
	if slices.ContainsFunc(p.musts, names) {
		return 0
	}
	return 2
}

// overlap is how many of an index's first fields the selector bounds.
func (p *planner) overlap(x *Index) int {
	for n, f := range x.Fields {
		if !slices.ContainsFunc(p.musts, func(m query.Must) bool { return m.Operator != "" && slices.Equal(m.Path, f.Path) }) {
			return n
		}
	}
	return len(x.Fields)
}

// exact is how many of an index's first fields have one value each.
func (p *planner) exact(x *Index) int {
	for n, f := range x.Fields {
		if !p.constant(f.Path) {
			return n
		}
	}
	return len(x.Fields)
}

func (p *planner) worse(x, best *Index) string {
	switch {
	case p.last(x) != p.last(best):
		return reasonType
	case p.overlap(x) < p.overlap(best), p.exact(x) < p.exact(best):
		return reasonOverlap
	case len(x.Fields) > len(best.Fields):
		return reasonWide
	}
	return reasonName
}

// candidates are the indexes beside the chosen one: the usable ones in order, then the others.
func (p *planner) candidates(indexes, usable []*Index, chosen *Index, reasons map[*Index]string) []Candidate {
	var all []Candidate
	add := func(x *Index, usable bool) {
		if x != chosen {
			all = append(all, Candidate{Index: x, Usable: usable, Reason: reasons[x]})
		}
	}
	usable = slices.Clone(usable)
	slices.SortStableFunc(usable, p.compare)
	for _, x := range usable {
		add(x, true)
	}
	for _, x := range indexes {
		if !slices.Contains(usable, x) {
			add(x, false)
		}
	}
	return all
}

// ranges are the parts of an index in which all that can match is: those of the first fields that
// have one value each, and of the next one.
func (p *planner) ranges(x *Index) (ranges []Range, points bool) {
	k := p.keys(x)
	var begin []byte
	var values []bound
	for i, f := range x.Fields {
		parts := p.intervals(&k, i, f.Path)
		if len(parts) == 1 && parts[0].point && i < len(x.Fields)-1 {
			begin, values = append(begin, parts[0].low...), append(values, parts[0].from)
			continue
		}
		points = x.Special() && len(parts) > 0
		for _, part := range parts {
			ranges = append(ranges, part.within(begin, values))
			points = points && part.point
		}
		return ranges, points
	}
	return nil, false
}

// within is an interval of a field behind what the fields before it are.
func (v interval) within(begin []byte, values []bound) Range {
	r := Range{Low: append(slices.Clip(begin), v.low...), Start: values, End: values}
	switch {
	case v.high != nil:
		r.High = append(slices.Clip(begin), v.high...)
	case len(begin) > 0:
		r.High = behind(begin)
	}
	if !v.from.none() {
		r.Start = append(slices.Clip(values), v.from)
	}
	if !v.to.none() {
		r.End = append(slices.Clip(values), v.to)
	}
	return r
}

// intervals are the parts of a field's values that the conditions on it leave, in order.
func (p *planner) intervals(k *keys, field int, path []string) []interval {
	whole := interval{}
	var in []interval
	listed := false
	for _, m := range p.musts {
		if !slices.Equal(m.Path, path) {
			continue
		}
		if m.Operator != "$in" {
			whole = whole.and(k.interval(field, m))
		} else if !listed {
			in, listed = k.members(field, m), true
		}
	}
	if !listed {
		in = []interval{{}}
	}
	parts := in[:0]
	for _, part := range in {
		if part = part.and(whole); !part.empty() {
			parts = append(parts, part)
		}
	}
	return merged(parts)
}

// merged puts intervals in order, and those together that touch.
func merged(parts []interval) []interval {
	slices.SortStableFunc(parts, func(a, b interval) int { return bytes.Compare(a.low, b.low) })
	all := parts[:0]
	for _, part := range parts {
		if len(all) > 0 {
			if last := &all[len(all)-1]; last.high == nil || bytes.Compare(part.low, last.high) < 0 {
				*last = last.or(part)
				continue
			}
		}
		all = append(all, part)
	}
	if len(all) > maxRanges {
		hull := all[0]
		hull.high, hull.to, hull.point = all[len(all)-1].high, all[len(all)-1].to, false
		return []interval{hull}
	}
	return all
}

// or is what is in one of two intervals, of which the second does not begin before the first, and
// what is between.
func (v interval) or(w interval) interval {
	v.point = v.point && w.point && bytes.Equal(v.low, w.low)
	if v.high != nil && (w.high == nil || bytes.Compare(w.high, v.high) > 0) {
		v.high, v.to = w.high, w.to
	}
	return v
}
