package query

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// What follows evaluates selectors the slow way: on decoded values, without compiling
// anything, with numbers as fractions and all strings by the collator.

type pair struct {
	name  string
	value any
}

// object keeps the order of its members.
type object []pair

func decode(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return decodeNext(d)
}

func decodeNext(d *json.Decoder) any {
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			list = append(list, decodeNext(d))
		}
		_, _ = d.Token()
		return list
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, _ := d.Token()
			o = append(o, pair{name.(string), decodeNext(d)})
		}
		_, _ = d.Token()
		return o
	}
	return token
}

type naive struct{ collator *collate.Collator }

func newNaive() *naive { return &naive{collate.New(language.Und)} }

func rank(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 2
		}
		return 1
	case json.Number:
		return 3
	case string:
		return 4
	case []any:
		return 5
	}
	return 6
}

func fraction(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		panic(n)
	}
	return r
}

func (e *naive) compare(a, b any) int {
	if rank(a) != rank(b) {
		return rank(a) - rank(b)
	}
	switch a := a.(type) {
	case json.Number:
		return fraction(a).Cmp(fraction(b.(json.Number)))
	case string:
		return e.collator.CompareString(a, b.(string))
	case []any:
		b := b.([]any)
		for i := range min(len(a), len(b)) {
			if order := e.compare(a[i], b[i]); order != 0 {
				return order
			}
		}
		return len(a) - len(b)
	case object:
		b := b.(object)
		for i := range min(len(a), len(b)) {
			if order := e.compare(a[i].name, b[i].name); order != 0 {
				return order
			}
			if order := e.compare(a[i].value, b[i].value); order != 0 {
				return order
			}
		}
		return len(a) - len(b)
	}
	return 0
}

// matches evaluates a selector; within is set below $elemMatch and its like.
func (e *naive) matches(selector, doc any, path string, negated, within bool) bool {
	o, ok := selector.(object)
	if !ok || len(o) == 0 && path != "" {
		return e.field(path, "$eq", selector, doc, negated)
	}
	for _, m := range o {
		if e.member(m.name, m.value, doc, path, negated, within) == negated {
			return negated
		}
	}
	return !negated
}

func (e *naive) member(name string, arg, doc any, path string, negated, within bool) bool {
	switch name {
	case "$and", "$or", "$nor":
		items := arg.([]any)
		all := (name == "$or") == negated
		for _, item := range items {
			var holds bool
			switch {
			case name != "$nor":
				holds = e.matches(item, doc, path, negated, within)
			case within:
				holds = !e.matches(item, doc, path, false, true)
			default:
				holds = e.matches(item, doc, path, !negated, false)
			}
			if holds != all {
				return !all
			}
		}
		return all || len(items) == 0
	case "$not":
		if within {
			return !e.matches(arg, doc, path, false, true)
		}
		return e.matches(arg, doc, path, !negated, false)
	}
	if name[0] == '$' {
		return e.field(path, name, arg, doc, negated)
	}
	if path != "" {
		name = path + "." + name
	}
	return e.matches(arg, doc, name, negated, within)
}

func (e *naive) field(path, operator string, arg, doc any, negated bool) bool {
	value, what := doc, found
	if path != "" {
		value, what = lookUp(doc, splitPath(path))
	}
	if operator == "$exists" {
		return what == found && arg.(bool) != negated || what == missing && arg.(bool) == negated
	}
	return what == found && e.test(operator, arg, value, path == "_id") != negated
}

func splitPath(path string) []string {
	const dot = "\x00"
	parts := strings.Split(strings.ReplaceAll(path, `\.`, dot), ".")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, `\`, ""), dot, ".")
	}
	return parts
}

func lookUp(v any, path []string) (any, finding) {
	if len(path) == 0 {
		return v, found
	}
	switch v := v.(type) {
	case object:
		for _, m := range v {
			if m.name == path[0] {
				return lookUp(m.value, path[1:])
			}
		}
		return nil, missing
	case []any:
		if n, err := strconv.Atoi(path[0]); err == nil && n >= 0 && n < len(v) {
			return lookUp(v[n], path[1:])
		}
	}
	return nil, astray
}

func (e *naive) test(operator string, arg, v any, byBytes bool) bool {
	order := func() int {
		a, isString := v.(string)
		b, both := arg.(string)
		switch {
		case byBytes && isString && both:
			return strings.Compare(a, b)
		case byBytes && isString != both && isString:
			return 1
		case byBytes && isString != both:
			return -1
		}
		return e.compare(v, arg)
	}
	switch operator {
	case "$lt":
		return order() < 0
	case "$lte":
		return order() <= 0
	case "$eq":
		return order() == 0
	case "$ne":
		return order() != 0
	case "$gte":
		return order() >= 0
	case "$gt":
		return order() > 0
	case "$in":
		return e.in(arg.([]any), v, byBytes)
	case "$nin":
		return !e.in(arg.([]any), v, byBytes)
	case "$type":
		return [...]string{"null", "boolean", "boolean", "number", "string", "array", "object"}[rank(v)] == arg
	case "$regex":
		s, ok := v.(string)
		return ok && regexp.MustCompile(arg.(string)).MatchString(s)
	case "$beginsWith":
		s, ok := v.(string)
		return ok && strings.HasPrefix(s, arg.(string))
	case "$mod":
		return e.modulo(arg.([]any), v)
	}
	return e.testParts(operator, arg, v)
}

func (e *naive) in(args []any, v any, byBytes bool) bool {
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	for _, value := range values {
		for _, arg := range args {
			if e.test("$eq", arg, value, byBytes) {
				return true
			}
		}
	}
	return false
}

func (e *naive) modulo(args []any, v any) bool {
	n, ok := v.(json.Number)
	if !ok || !fraction(n).IsInt() {
		return false
	}
	divisor, _ := new(big.Int).SetString(string(args[0].(json.Number)), 10)
	rest, _ := new(big.Int).SetString(string(args[1].(json.Number)), 10)
	return new(big.Int).Rem(fraction(n).Num(), divisor).Cmp(rest) == 0
}

func (e *naive) testParts(operator string, arg, v any) bool {
	if o, ok := v.(object); ok && operator == "$keyMapMatch" {
		for _, m := range o {
			if e.matches(arg, m.name, "", false, true) {
				return true
			}
		}
		return false
	}
	values, ok := v.([]any)
	if !ok {
		return false
	}
	switch operator {
	case "$size":
		return json.Number(strconv.Itoa(len(values))) == arg
	case "$all":
		return e.all(arg.([]any), values)
	case "$elemMatch":
		for _, value := range values {
			if e.matches(arg, value, "", false, true) {
				return true
			}
		}
		return false
	case "$allMatch":
		for _, value := range values {
			if !e.matches(arg, value, "", false, true) {
				return false
			}
		}
		return len(values) > 0
	}
	return false
}

func (e *naive) all(args, values []any) bool {
	if len(args) == 1 && rank(args[0]) == 5 && e.compare(args[0], values) == 0 {
		return true
	}
	for _, arg := range args {
		if !e.in([]any{arg}, values, false) {
			return false
		}
	}
	return len(args) > 0
}

// small reports whether all numbers of a text are of a size that fractions can take.
func small(text []byte) bool {
	return !regexp.MustCompile(`[eE][-+]?[0-9]{4}`).Match(text)
}
