package mango

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// AppendExplanation appends what _explain answers: how the query would be answered, and why so. It
// reads no documents. CouchDB's members are as there; `ranges` are the parts of the index that
// would be read, and `why` says it in words.
func (q *Query) AppendExplanation(b []byte, keyspace string) []byte {
	r := q.request
	b = jsondoc.AppendString(append(b, `{"dbname":`...), keyspace)
	b = q.appendIndex(append(b, `,"index":`...), q.plan.Index)
	b = append(append(b, `,"partitioned":false,"selector":`...), r.Selector.Normalized()...)
	b = q.appendOptions(append(b, `,"opts":`...))
	b = strconv.AppendInt(append(b, `,"limit":`...), int64(r.Limit), 10)
	b = strconv.AppendInt(append(b, `,"skip":`...), int64(r.Skip), 10)
	b = r.Projection.appendNames(append(b, `,"fields":`...))
	b = q.appendCandidates(append(b, `,"index_candidates":`...))
	b = q.appendHints(append(b, `,"selector_hints":`...))
	if q.plan.Index != nil {
		b = q.appendArguments(append(b, `,"mrargs":`...))
		b = append(b, `,"covering":false,"ranges":[`...)
		for i, part := range q.plan.Ranges {
			if i > 0 {
				b = append(b, ',')
			}
			b = part.appendJSON(b)
		}
		b = append(b, ']')
	}
	return append(jsondoc.AppendString(append(b, `,"why":`...), q.why()), '}')
}

// appendIndex appends an index. Of one that the viewer may not know of only those fields are told
// that the viewer named: an index can answer only if all of its fields are in the selector or the sort.
func (q *Query) appendIndex(b []byte, x *Index) []byte {
	switch {
	case x == nil:
		return append(b, "null"...)
	case q.question.hidden(x):
		b = appendFields(append(b, `{"ddoc":null,"name":null,"type":"json","partitioned":false,"def":{"fields":`...), x.Fields)
		return append(b, "}}"...)
	}
	return x.AppendJSON(b)
}

// appendOptions appends the options as CouchDB does, those that were not given too.
func (q *Query) appendOptions(b []byte) []byte {
	r := q.request
	given := func(name, absent string) {
		value, ok := r.text[name]
		if !ok || value == "null" {
			value = absent
		}
		b = append(append(append(append(b, `,"`...), name...), `":`...), value...)
	}
	use, err := json.Marshal(append([]string{}, r.useIndex...))
	if err != nil {
		panic(err) // texts have always JSON
	}
	b = append(append(b, `{"use_index":`...), use...)
	given("bookmark", `"`+noBookmark+`"`)
	b = strconv.AppendInt(append(b, `,"limit":`...), int64(r.Limit), 10)
	b = strconv.AppendInt(append(b, `,"skip":`...), int64(r.Skip), 10)
	b = append(b, `,"sort":{`...)
	for i, f := range r.Sort {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(jsondoc.AppendString(b, f.Name), `:"`...), direction(f.Descending)...), '"')
	}
	b = append(b, '}')
	given("fields", "[]")
	b = append(b, `,"partition":""`...)
	given("r", "1")
	given("conflicts", "false")
	given("stale", "false")
	given("update", "true")
	given("stable", "false")
	given("execution_stats", "false")
	given("allow_fallback", "true")
	return append(b, '}')
}

func (p *Projection) appendNames(b []byte) []byte {
	if p == nil {
		return append(b, "[]"...)
	}
	b = append(b, '[')
	for i, name := range p.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsondoc.AppendString(b, name)
	}
	return append(b, ']')
}

// appendCandidates appends the other indexes that the viewer may know of.
func (q *Query) appendCandidates(b []byte) []byte {
	b = append(b, '[')
	rank := 0
	for _, c := range q.plan.Candidates {
		if q.question.hidden(c.Index) {
			continue
		}
		if rank++; rank > 1 {
			b = append(b, ',')
		}
		b = c.Index.AppendJSON(append(b, `{"index":`...))
		b = strconv.AppendBool(append(b, `,"analysis":{"usable":`...), c.Usable)
		b = append(append(append(b, `,"reasons":[{"name":"`...), c.Reason...), `"}],"ranking":`...)
		b = append(strconv.AppendInt(b, int64(rank), 10), `,"covering":`...)
		if c.Index.Special() {
			b = append(b, "null}}"...)
		} else {
			b = append(b, "false}}"...)
		}
	}
	return append(b, ']')
}

// appendHints appends which of the selector's fields an index could serve.
func (q *Query) appendHints(b []byte) []byte {
	var indexable, others []string
	for _, path := range q.request.Selector.Fields() {
		bounds := func(m query.Must) bool { return m.Operator != "" && slices.Equal(m.Path, path) }
		if name := query.JoinPath(path); slices.ContainsFunc(q.request.Selector.Musts(), bounds) {
			indexable = append(indexable, name)
		} else {
			others = append(others, name)
		}
	}
	slices.Sort(indexable)
	slices.Sort(others)
	hints, err := json.Marshal([]map[string]any{{
		"type": TypeJSON, "indexable_fields": append([]string{}, indexable...), "unindexable_fields": append([]string{}, others...),
	}})
	if err != nil {
		panic(err) // texts have always JSON
	}
	return append(b, hints...)
}

// maxKey stands in CouchDB's explanations for what is behind all keys.
const maxKey = `"<MAX>"`

// appendArguments appends what CouchDB would ask of its view.
func (q *Query) appendArguments(b []byte) []byte {
	var low, high []bound
	if n := len(q.plan.Ranges); n > 0 {
		low, high = q.plan.Ranges[0].Start, q.plan.Ranges[n-1].End
	}
	start, end := appendBounds(nil, low, false), appendBounds(nil, high, true)
	if q.plan.Index.Special() {
		start, end = append([]byte(nil), `""`...), append([]byte(nil), maxKey...)
		if len(low) > 0 && low[0].value[0] == '"' {
			start = low[0].value
		}
		if len(high) > 0 && high[0].value[0] == '"' {
			end = high[0].value
		}
	}
	way := "fwd"
	if q.plan.Descending {
		way, start, end = "rev", end, start
	}
	b = append(b, `{"include_docs":true,"view_type":"map","reduce":false,"partition":null,"start_key":`...)
	b = append(append(append(b, start...), `,"end_key":`...), end...)
	b = append(append(append(b, `,"direction":"`...), way...), `","stable":false,"update":`...)
	b = strconv.AppendBool(b, !q.request.Stale)
	b = strconv.AppendBool(append(b, `,"conflicts":`...), q.request.Conflicts)
	return append(b, '}')
}

func appendBounds(b []byte, bounds []bound, end bool) []byte {
	b = append(b, '[')
	for i, at := range bounds {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, at.value...)
	}
	if end {
		if len(bounds) > 0 {
			b = append(b, ',')
		}
		b = append(b, maxKey...)
	}
	return append(b, ']')
}

// appendJSON appends a range by the values that it was made of.
func (r *Range) appendJSON(b []byte) []byte {
	b = appendBounds(append(b, `{"start":`...), r.Start, false)
	b = appendBounds(append(b, `,"end":`...), r.End, false)
	b = strconv.AppendBool(append(b, `,"inclusive_start":`...), inclusive(r.Start))
	b = strconv.AppendBool(append(b, `,"inclusive_end":`...), inclusive(r.End))
	return append(b, '}')
}

func inclusive(bounds []bound) bool { return len(bounds) == 0 || bounds[len(bounds)-1].inclusive }

// why says in words what was chosen.
func (q *Query) why() string {
	x := q.plan.Index
	switch {
	case x == nil:
		return "No index has the order of the sort."
	case q.nothing():
		return "Nothing can match the selector, so that nothing is read."
	case q.plan.Points:
		return "The selector names IDs, so that these documents are read, and no others."
	case x.Special():
		return "No index has only fields that the selector wants, so that all documents are read in the order of their IDs."
	case q.question.names(x):
		return "The index is the one that use_index names."
	case q.question.only != nil:
		return "The index is that of the bookmark."
	}
	return "The index covers the most fields of the selector; of such indexes it begins with the most that have one value, and has the fewest fields."
}
