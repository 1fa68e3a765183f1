package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
)

// accumulator is a reduce function that is built in, over the rows of a group in order.
type accumulator interface {
	add(*syncstore.IndexEntry) error
	// merge adds what one of the same function has of the rows that follow, forwards or
	// backwards. That one is not changed.
	merge(accumulator) error
	result() ([]byte, error)
}

func newAccumulator(name string) accumulator {
	switch name {
	case "_count":
		return new(count)
	case "_approx_count_distinct":
		return new(distinct)
	case "_stats":
		return new(stats)
	}
	return new(sum)
}

func reduceError(reason string) *design.Error {
	return &design.Error{Name: design.ErrorReduce, Reason: reason}
}

// resultJSON is what a function came to. What is too large for a number is none in JSON.
func resultJSON(function string, result any) ([]byte, error) {
	b, err := json.Marshal(result)
	if _, infinite := errors.AsType[*json.UnsupportedValueError](err); infinite {
		return nil, reduceError("The " + function + " function came to more than a number can be: the values, or their squares, are too large.")
	}
	return b, err
}

// quoted is a text as JSON.
func quoted(text string) []byte {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text has always JSON
	}
	return b
}

type count int64

func (c *count) add(*syncstore.IndexEntry) error { *c++; return nil }
func (c *count) result() ([]byte, error)         { return json.Marshal(int64(*c)) }

func (c *count) merge(o accumulator) error {
	*c += *o.(*count) //nolint:forcetypeassert // of the same function
	return nil
}

// distinct counts keys that differ. Rows are in the order of their keys, so that this is exact;
// CouchDB estimates it.
type distinct struct {
	n int64
	// low and high are the least and the greatest key, as they are ordered.
	low, high []byte
}

func (d *distinct) add(entry *syncstore.IndexEntry) error {
	if d.n > 0 && (bytes.Equal(d.high, entry.Sort) || bytes.Equal(d.low, entry.Sort)) {
		return nil
	}
	return d.merge(&distinct{1, entry.Sort, entry.Sort})
}

func (d *distinct) merge(o accumulator) error {
	next := o.(*distinct) //nolint:forcetypeassert // of the same function
	if d.n == 0 {
		*d = *next
		return nil
	}
	d.n += next.n
	if bytes.Equal(d.high, next.low) || bytes.Equal(d.low, next.high) {
		d.n--
	}
	if bytes.Compare(next.low, d.low) < 0 {
		d.low = next.low
	}
	if bytes.Compare(next.high, d.high) > 0 {
		d.high = next.high
	}
	return nil
}

func (d *distinct) result() ([]byte, error) { return json.Marshal(d.n) }

// readValue reads a row's value; most are numbers.
func readValue(text []byte) (value any, err error) {
	if len(text) > 0 && (text[0] == '-' || '0' <= text[0] && text[0] <= '9') {
		if n, err := strconv.ParseFloat(string(text), 64); err == nil {
			return n, nil
		}
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, fmt.Errorf("reading a value: %w", err)
	}
	return value, nil
}

// sum adds numbers; arrays element by element, a number being one of one element; objects member
// by member.
type sum struct {
	total any // nil, float64, []any or map[string]any
}

func (s *sum) add(entry *syncstore.IndexEntry) error {
	value, err := readValue(entry.Value)
	if err != nil {
		return err
	}
	return s.addValue(value, entry.Value)
}

func (s *sum) addValue(value any, text []byte) error {
	if s.total == nil {
		s.total = 0.0
	}
	total, ok := added(s.total, value, 0)
	if !ok {
		return reduceError("The _sum function requires that map values be numbers, arrays of numbers, or objects." +
			" Objects cannot be mixed with other data structures, and their values must be numbers or objects." + shown(text))
	}
	s.total = total
	return nil
}

func (s *sum) merge(o accumulator) error {
	if total := o.(*sum).total; total != nil { //nolint:forcetypeassert // of the same function
		return s.addValue(total, nil)
	}
	return nil
}

func (s *sum) result() ([]byte, error) { return resultJSON("_sum", s.total) }

// shown is a value for an error, if it is short.
func shown(value []byte) string {
	const most = 100
	if len(value) > most || len(value) == 0 {
		return ""
	}
	return " This is none: " + string(value)
}

// maxSumDepth is how deep objects may be nested.
const maxSumDepth = 100

func added(a, b any, depth int) (any, bool) {
	if depth > maxSumDepth {
		return nil, false
	}
	switch b := b.(type) {
	case float64:
		switch a := a.(type) {
		case float64:
			return a + b, true
		case []any:
			return addedArrays(a, []any{b})
		}
	case []any:
		if n, ok := a.(float64); ok {
			a = []any{n}
		}
		if a, ok := a.([]any); ok {
			return addedArrays(a, b)
		}
	case map[string]any:
		if n, ok := a.(float64); ok && n == 0 && depth == 0 {
			a = map[string]any{}
		}
		if a, ok := a.(map[string]any); ok {
			return addedObjects(a, b, depth)
		}
	}
	return nil, false
}

func addedArrays(a, b []any) (any, bool) {
	all := slices.Clone(a)
	for i, value := range b {
		n, ok := value.(float64)
		if !ok {
			return nil, false
		}
		if i == len(all) {
			all = append(all, 0.0)
		}
		before, ok := all[i].(float64)
		if !ok {
			return nil, false
		}
		all[i] = before + n
	}
	return all, true
}

func addedObjects(a, b map[string]any, depth int) (any, bool) {
	all := maps.Clone(a)
	for name, value := range b {
		before, ok := all[name]
		if !ok {
			before = 0.0
			if _, nested := value.(map[string]any); nested {
				before = map[string]any{}
			}
		}
		total, ok := added(before, value, depth+1)
		if !ok {
			return nil, false
		}
		all[name] = total
	}
	return all, true
}

// stats are those of numbers, or of each place in arrays of numbers. A value may be a result of
// _stats itself.
type stats struct {
	all   []statistics
	array bool
	begun bool
}

// statistics are in the order of CouchDB's answer.
type statistics struct {
	Sum    float64 `json:"sum"`
	Count  float64 `json:"count"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	SumSqr float64 `json:"sumsqr"`
}

func (s *statistics) add(o statistics) {
	if s.Count == 0 {
		*s = o
		return
	}
	s.Sum, s.Count, s.SumSqr = s.Sum+o.Sum, s.Count+o.Count, s.SumSqr+o.SumSqr
	s.Min, s.Max = min(s.Min, o.Min), max(s.Max, o.Max)
}

func (s *stats) add(entry *syncstore.IndexEntry) error {
	value, err := readValue(entry.Value)
	if err != nil {
		return err
	}
	elements, array := value.([]any)
	if !array {
		elements = []any{value}
	}
	if err := s.expect(array, len(elements), entry.Value); err != nil {
		return err
	}
	for i, element := range elements {
		one, ok := statisticsOf(element)
		if !ok {
			return reduceError("The _stats function requires that map values be numbers or arrays of numbers." + shown(entry.Value))
		}
		s.all[i].add(one)
	}
	return nil
}

// expect refuses values of another form than those before.
func (s *stats) expect(array bool, n int, text []byte) error {
	if !s.begun {
		s.begun, s.array, s.all = true, array, make([]statistics, n)
	}
	if array != s.array || n != len(s.all) {
		return reduceError("The _stats function requires that map values be all numbers, or all arrays of numbers of the same length." + shown(text))
	}
	return nil
}

func (s *stats) merge(o accumulator) error {
	next := o.(*stats) //nolint:forcetypeassert // of the same function
	if !next.begun {
		return nil
	}
	if err := s.expect(next.array, len(next.all), nil); err != nil {
		return err
	}
	for i := range next.all {
		s.all[i].add(next.all[i])
	}
	return nil
}

func statisticsOf(value any) (statistics, bool) {
	if n, ok := value.(float64); ok {
		return statistics{Sum: n, Count: 1, Min: n, Max: n, SumSqr: n * n}, true
	}
	members, ok := value.(map[string]any)
	if !ok {
		return statistics{}, false
	}
	var one statistics
	for name, at := range map[string]*float64{
		"sum": &one.Sum, "count": &one.Count, "min": &one.Min, "max": &one.Max, "sumsqr": &one.SumSqr,
	} {
		if *at, ok = members[name].(float64); !ok {
			return statistics{}, false
		}
	}
	return one, true
}

func (s *stats) result() ([]byte, error) {
	if !s.array {
		return resultJSON("_stats", s.all[0])
	}
	return resultJSON("_stats", s.all)
}
