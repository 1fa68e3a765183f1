package query

import (
	"errors"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// operators are all that there are.
const operators = "$lt, $lte, $eq, $ne, $gte, $gt, $in, $nin, $exists, $type, $size, $mod, $regex, $beginsWith, " +
	"$all, $elemMatch, $allMatch, $keyMapMatch, $and, $or, $nor and $not"

// types are what $type knows.
const types = "null, boolean, number, string, array and object"

// test parses an operator that looks at one value and its argument.
func (p *parser) test(name string, arg value, path []string, at place) (test, error) {
	byBytes := len(path) == 1 && path[0] == "_id"
	switch name {
	case "$lt", "$lte", "$eq", "$ne", "$gte", "$gt":
		return newComparison(name, arg, byBytes), nil
	case "$in", "$nin":
		return p.in(name, arg, byBytes, at)
	case "$all":
		return p.all(arg, at)
	case "$type":
		return typeTestOf(arg, at)
	case "$size":
		n, ok := wholeNumber(arg)
		if !ok || n < 0 {
			return nil, wrong(at.where, `it needs a whole number that is not negative, such as {"$size": 2}`)
		}
		return sizeTest(n), nil
	case "$mod":
		return moduloOf(arg, at)
	case "$regex":
		return p.regex(arg, at)
	case "$beginsWith":
		if kindOf(arg) != kindString {
			return nil, wrong(at.where, `it needs a string, such as {"$beginsWith": "2026-"}`)
		}
		return prefix(arg.text()), nil
	case "$text":
		return nil, wrong(at.where, "it needs an index of texts, which this server does not have; try $regex or $beginsWith")
	}
	return nil, wrong(at.where, `there is no such operator; there are %s. A field of that name is written with a backslash before the $`, operators)
}

func flag(arg value, at place) (bool, error) {
	switch kindOf(arg) {
	case kindTrue:
		return true, nil
	case kindFalse:
		return false, nil
	default:
		return false, wrong(at.where, `it needs true or false without quotes, such as {"$exists": true}`)
	}
}

// wholeNumber reads a JSON number that is written without a fraction or an exponent.
func wholeNumber(v value) (int64, bool) {
	if kindOf(v) != kindNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

func newComparison(name string, arg value, byBytes bool) comparison {
	c := comparison{arg: arg, byBytes: byBytes}
	switch name {
	case "$lt":
		c.less = true
	case "$lte":
		c.less, c.equal = true, true
	case "$eq":
		c.equal = true
	case "$ne":
		c.less, c.greater = true, true
	case "$gte":
		c.equal, c.greater = true, true
	case "$gt":
		c.greater = true
	}
	return c
}

func typeTestOf(arg value, at place) (test, error) {
	if kindOf(arg) == kindString {
		for k := kindNull; k <= kindObject; k++ {
			if arg.is(k.typeName()) {
				return typeTest(k.typeName()), nil
			}
		}
	}
	return nil, wrong(at.where, "it needs the name of a type as a string: %s", types)
}

func moduloOf(arg value, at place) (test, error) {
	var numbers []int64
	if kindOf(arg) == kindArray {
		for element := range arg.elements {
			if n, ok := wholeNumber(element); ok {
				numbers = append(numbers, n)
			} else {
				numbers = nil
				break
			}
		}
	}
	if len(numbers) != 2 || numbers[0] == 0 {
		return nil, wrong(at.where, `it needs a divisor other than 0 and a remainder, both whole numbers below 2^63, such as {"$mod": [10, 1]}`)
	}
	return modulo{numbers[0], numbers[1]}, nil
}

// list reads an array's elements in the collation's order, each once.
func (p *parser) list(name string, arg value, at place, compare func(a, b value) int) ([]value, error) {
	if kindOf(arg) != kindArray {
		return nil, wrong(at.where, `it needs an array, such as {"%s": [1, 2]}`, name)
	}
	var values []value
	err := jsondoc.Elements(arg, func(element []byte) error {
		values = append(values, element)
		return nil
	})
	slices.SortFunc(values, compare)
	return slices.CompactFunc(values, func(a, b value) bool { return compare(a, b) == 0 }), err
}

func (p *parser) in(name string, arg value, byBytes bool, at place) (test, error) {
	compare := p.selector.collation.compare
	if byBytes {
		compare = p.selector.collation.compareBytes
	}
	values, err := p.list(name, arg, at, compare)
	return membership{values: values, compare: compare, not: name == "$nin"}, err
}

func (p *parser) all(arg value, at place) (test, error) {
	values, err := p.list("$all", arg, at, p.selector.collation.compare)
	return all{values}, err
}

// regex compiles a regular expression. Go's take time in proportion to the text and the
// expression, so that none can be made to hang the server; for that they have no
// backreferences and no look-around, which CouchDB's PCRE has.
func (p *parser) regex(arg value, at place) (test, error) {
	if kindOf(arg) != kindString {
		return nil, wrong(at.where, `it needs a string, such as {"$regex": "^[A-Z]+$"}`)
	}
	text := string(arg.text())
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		why := "it is not a regular expression"
		if e, ok := errors.AsType[*syntax.Error](err); ok {
			why = e.Code.String()
		}
		return nil, wrong(at.where, "%s; the syntax is RE2's (https://github.com/google/re2/wiki/Syntax), "+
			"which has no look-around and no backreferences", why)
	}
	size := programSize(parsed)
	if p.program += size; size > maxProgram || p.program > maxProgram {
		return nil, wrong(at.where, "the regular expressions are too large; avoid counted repetitions such as {100}")
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, wrong(at.where, "the regular expression is too large")
	}
	return regex{compiled, size}, nil
}

// programSize estimates what a regular expression compiles to, in instructions, without
// doing it: counted repetitions are written out then. It saturates.
func programSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 16
	default:
		for _, sub := range re.Sub {
			size = min(size+programSize(sub), math.MaxInt32)
		}
	}
	if re.Op == syntax.OpRepeat {
		times := max(re.Min+1, re.Max, 1)
		size = min(size*times, math.MaxInt32)
	}
	return size
}

// nested makes the test of an operator that has a selector for parts of a value.
func nested(name string, inner node) test {
	switch name {
	case "$elemMatch":
		return elemMatch{inner}
	case "$allMatch":
		return allMatch{inner}
	default:
		return keyMapMatch{inner}
	}
}
