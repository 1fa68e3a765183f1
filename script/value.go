package script

import (
	"strconv"

	"github.com/dop251/goja"
)

// maxHostElements is how many elements of an array a host is given.
const maxHostElements = 10_000

// Value is an argument of a host's function. Looking at it never converts it by the
// script's own toString or valueOf.
type Value struct {
	v goja.Value
	s *sandbox
}

// Absent reports whether the value is null or undefined.
func (v Value) Absent() bool {
	return v.v == nil || goja.IsNull(v.v) || goja.IsUndefined(v.v)
}

// Text returns the text if the value is a string. Halves of surrogate pairs, which have
// no UTF-8, become U+FFFD.
func (v Value) Text() (string, bool) {
	if !goja.IsString(v.v) {
		return "", false
	}
	return v.v.String(), true
}

// Number returns the number if the value is one.
func (v Value) Number() (float64, bool) {
	if !goja.IsNumber(v.v) {
		return 0, false
	}
	return v.v.ToFloat(), true
}

// Elements returns the elements if the value is an array. If it has more than
// maxHostElements, the script is thrown a RangeError. Elements may be getters, so code
// of the script may run.
func (v Value) Elements() ([]Value, bool) {
	o, ok := v.v.(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		return nil, false
	}
	length := o.Get("length").ToInteger()
	if length > maxHostElements {
		panic(v.s.rangeError("an array of more than %d elements", maxHostElements))
	}
	elements := make([]Value, length)
	for i := range elements {
		elements[i] = Value{o.Get(strconv.Itoa(i)), v.s}
	}
	return elements, true
}

// Kind names the value's kind, for messages: "null", "string", "number", "boolean",
// "array", "function", "symbol" or "object".
func (v Value) Kind() string {
	switch x := v.v.(type) {
	case nil:
		return "null"
	case *goja.Symbol:
		return "symbol"
	case *goja.Object:
		switch x.ClassName() {
		case "Array":
			return "array"
		case "Function":
			return "function"
		}
		return "object"
	}
	switch {
	case v.Absent():
		return "null"
	case goja.IsString(v.v):
		return "string"
	case goja.IsNumber(v.v):
		return "number"
	}
	return "boolean"
}

// JSON returns the value as JSON.stringify writes it, and false for what has no JSON, such
// as undefined and functions. Code of the script may run, such as a toJSON of its own. A
// result of more than 16 million characters is thrown to the script as a RangeError.
func (v Value) JSON() (string, bool) {
	if v.v == nil {
		return "", false
	}
	w := jsonWriter{s: v.s, limit: maxResult}
	ok := w.value(goja.Undefined(), "", v.v)
	return string(w.text), ok
}

// jsonOf is JSON of what a function returned, which may throw.
func (s *sandbox) jsonOf(v goja.Value) (text string, err error) {
	if ex := s.js.Try(func() { text, _ = Value{v, s}.JSON() }); ex != nil {
		return "", s.failure(ex)
	}
	return text, nil
}
