package mango

import (
	"bytes"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// keys makes the bytes by which an index is ordered: those of the fields' values one after the
// other. Of a value whose bytes are too many, only the first count, so that no document is
// missing; where several begin so, their order among one another is that of their IDs.
type keys struct {
	collation *query.Collation
	ids       []bool // which of the fields are the document's ID
	most      int    // bytes of a value
	// raw: the index is _all_docs, whose bytes are those of the IDs.
	raw bool
}

func (m *Mango) keysOf(x *Index) keys {
	k := keys{collation: m.collation, most: syncstore.MaxSort / len(x.Fields), raw: x.Special()}
	for _, f := range x.Fields {
		k.ids = append(k.ids, len(f.Path) == 1 && f.Path[0] == "_id")
	}
	return k
}

// row is where a document with these values is.
func (k *keys) row(values [][]byte) []byte {
	var sort []byte
	for i, value := range values {
		key, _ := k.value(i, value)
		sort = append(sort, key...)
	}
	return sort
}

// value is the key of a value of a field. It reports false if the key is only a beginning.
func (k *keys) value(field int, value []byte) (key []byte, whole bool) {
	if !k.ids[field] || value[0] != '"' {
		return k.collation.AppendSortKeyUpTo(nil, value, k.most)
	}
	id, err := jsondoc.String(value)
	if err != nil {
		id = string(value)
	}
	if k.raw {
		return []byte(id), true
	}
	if key = query.AppendIDKey(nil, id); len(key) > k.most {
		return key[:k.most:k.most], false
	}
	return key, true
}

// interval is a part of the keys of a field: those from low on, and below high if that is not nil.
type interval struct {
	low, high []byte
	// point: all keys are one value's, and it alone has them.
	point bool
	// from and to are what the bounds were made of, for people; nil for none.
	from, to bound
}

// bound is a value that bounds an interval.
type bound struct {
	value     []byte // JSON
	inclusive bool
}

func (b bound) none() bool { return b.value == nil }

func (v interval) empty() bool { return v.high != nil && bytes.Compare(v.low, v.high) >= 0 }

// and is what is in both intervals.
func (v interval) and(w interval) interval {
	both := v
	if bytes.Compare(w.low, both.low) > 0 || both.from.none() {
		both.low, both.from = w.low, w.from
	}
	if w.high != nil && (both.high == nil || bytes.Compare(w.high, both.high) < 0) {
		both.high, both.to = w.high, w.to
	}
	both.point = v.point || w.point
	return both
}

// behind is what follows all that begins with a key.
func behind(key []byte) []byte { return engine.PrefixEnd(bytes.Clone(key)) }

// nothing is an interval without keys.
func nothing(b bound) interval { return interval{low: []byte{0}, high: []byte{0}, from: b, to: b} }

// interval is where the values of a field are that meet a condition: all of them, and perhaps
// others.
func (k *keys) interval(field int, m query.Must) interval {
	if k.ids[field] && m.Operator != "$exists" && m.Operator != "" && m.Argument[0] != '"' {
		return besideIDs(m)
	}
	switch m.Operator {
	case "$eq", "$lt", "$lte", "$gt", "$gte":
		return k.comparison(field, m)
	case "$beginsWith":
		return k.beginning(field, m)
	}
	return interval{}
}

func (k *keys) comparison(field int, m query.Must) interval {
	key, whole := k.value(field, m.Argument)
	after := behind(key)
	if k.raw {
		after = append(bytes.Clone(key), 0)
	}
	at := bound{m.Argument, true}
	beside := bound{m.Argument, false}
	switch m.Operator {
	case "$eq":
		return interval{low: key, high: after, from: at, to: at, point: whole}
	case "$gte":
		return interval{low: key, from: at}
	case "$lte":
		return interval{high: after, to: at}
	case "$gt":
		if !whole {
			return interval{low: key, from: beside}
		}
		return interval{low: after, from: beside}
	default: // "$lt"
		if !whole {
			return interval{high: after, to: beside}
		}
		return interval{high: key, to: beside}
	}
}

// besideIDs is where IDs meet a condition whose argument is no string: they are above all else.
func besideIDs(m query.Must) interval {
	at := bound{value: m.Argument}
	if m.Operator == "$gt" || m.Operator == "$gte" {
		return interval{from: at}
	}
	return nothing(at)
}

func (k *keys) beginning(field int, m query.Must) interval {
	text, err := jsondoc.String(m.Argument)
	if err != nil {
		return interval{}
	}
	at := bound{m.Argument, true}
	var key []byte
	switch {
	case k.raw && text == "":
		return interval{from: at}
	case k.raw:
		key = []byte(text)
	case k.ids[field]:
		key = query.AppendIDPrefix(nil, text)
	default:
		key = k.collation.AppendTextPrefix(nil, text)
	}
	if len(key) > k.most {
		key = key[:k.most]
	}
	end := bound{jsondoc.AppendString(nil, text+"\uffff"), true}
	return interval{low: key, high: behind(key), from: at, to: end}
}

// members are where values are that $in names, in order: one of these, or an array, of which an
// element is one.
func (k *keys) members(field int, m query.Must) []interval {
	var all []interval
	arrays := false
	_ = jsondoc.Elements(m.Argument, func(element []byte) error {
		arrays = true
		if element[0] == '[' || k.ids[field] && element[0] != '"' {
			return nil
		}
		all = append(all, k.comparison(field, query.Must{Operator: "$eq", Argument: element}))
		return nil
	})
	if arrays && !k.ids[field] {
		key := query.ArrayKeys()
		all = append(all, interval{low: key, high: behind(key), from: bound{[]byte("[]"), true}, to: bound{[]byte("[\"<MAX>\"]"), true}})
	}
	return all
}
