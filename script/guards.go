package script

import (
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// Built-in functions run to their end whatever happens: the interpreter looks at an
// interrupt only between its own instructions. So each that could take long, or any
// amount of memory, in one step is bounded by the size of what it is given.
const (
	// maxElements is how many elements an array may have to be worked on by built-in
	// functions.
	maxElements = 1_000_000
	// maxSorted is how many elements are sorted: without a comparator of the script,
	// nothing interrupts it.
	maxSorted = 100_000
	// maxArguments is how many arguments apply and its kin pass on.
	maxArguments = 10_000
	// maxText is how many UTF-16 units a text may have that is split or encoded, which
	// takes many times its size, and how many bytes one of an argument that is looked at.
	maxText = 1 << 20
	// maxListed is how many units a text may have whose characters are listed as members:
	// that takes microseconds for each.
	maxListed = 128 << 10
	// maxValues is how many values of arguments and of JSON are made in one call.
	maxValues = 250_000
	// maxResult is how many units a text may have that a built-in function makes.
	maxResult = 16 << 20
	// maxPattern is how many bytes a regular expression may have.
	maxPattern = 10_000
)

func (s *sandbox) rangeError(format string, args ...any) *goja.Object {
	message := s.js.NewTypeError(append([]any{format}, args...)...).Get("message")
	made, err := s.js.New(s.globals.Get("RangeError"), message)
	if err != nil {
		panic(err)
	}
	return made
}

// checkStopped ends a built-in function of a call that was interrupted: what is thrown
// here is caught by nobody, since the interpreter sees the interrupt first.
func (s *sandbox) checkStopped() {
	if s.stopped.Load() {
		panic(s.js.NewTypeError("stopped"))
	}
}

func (s *sandbox) checkLength(length int64) {
	if length > maxElements {
		panic(s.rangeError("an array of more than %d elements", maxElements))
	}
}

func (s *sandbox) checkText(text goja.Value, limit int) {
	if str, ok := text.(goja.String); ok && str.Length() > limit {
		panic(s.rangeError("a text of more than %d characters", limit))
	}
}

func (s *sandbox) checkPattern(pattern goja.Value) {
	if str, ok := pattern.(goja.String); ok && str.Length() > maxPattern {
		panic(s.rangeError("a regular expression of more than %d characters", maxPattern))
	}
}

// enter counts how deep built-in functions call one another.
func (s *sandbox) enter() {
	s.checkStopped()
	if s.depth++; s.depth > maxNativeDepth {
		s.depth--
		panic(s.rangeError("built-in functions call one another more than %d levels deep", maxNativeDepth))
	}
}

// native function as Go sees it.
type builtin = func(goja.FunctionCall) goja.Value

// wrap replaces a built-in function of an object.
func (s *sandbox) wrap(o *goja.Object, name string, wrapper func(original builtin) builtin) {
	original, ok := nativeOf(o.Get(name))
	if !ok {
		return // this version of the interpreter does not have it
	}
	function := s.native(name, wrapper(original))
	if length := s.member(o, name).Get("length"); length != nil {
		if err := function.DefineDataProperty("length", length, goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
			panic(err)
		}
	}
	s.define(o, name, function, false)
}

func (s *sandbox) wrapSymbol(o *goja.Object, symbol *goja.Symbol, name string, wrapper func(original builtin) builtin) {
	original, ok := nativeOf(o.GetSymbol(symbol))
	if !ok {
		return
	}
	function := s.native(name, wrapper(original))
	if err := o.DefineDataPropertySymbol(symbol, function, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
}

// guardArrays bounds the functions of arrays by the array's length. Other objects say
// themselves how long they are, and may say so differently each time: functions that
// read get a copy, those that write refuse.
func (s *sandbox) guardArrays() {
	prototype := s.prototype("Array")
	writes := map[string]bool{
		"copyWithin": true, "fill": true, "pop": true, "push": true, "reverse": true, "shift": true,
		"sort": true, "splice": true, "unshift": true,
	}
	for _, name := range prototype.GetOwnPropertyNames() {
		if name == "constructor" || name == "toString" || name == "join" {
			continue
		}
		limit := int64(maxElements)
		if name == "sort" || name == "toSorted" {
			limit = maxSorted
		}
		s.wrap(prototype, name, func(original builtin) builtin {
			return func(call goja.FunctionCall) goja.Value {
				s.enter()
				defer func() { s.depth-- }()
				call.This = s.boundedArray(name, call.This, limit, writes[name])
				return original(call)
			}
		})
	}
	s.define(prototype, "join", s.native("join", s.join), false)
	s.wrap(prototype, "toString", func(original builtin) builtin {
		return func(call goja.FunctionCall) goja.Value {
			s.enter()
			defer func() { s.depth-- }()
			return original(call)
		}
	})
	if err := prototype.DefineDataPropertySymbol(goja.SymIterator, prototype.Get("values"), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
}

func (s *sandbox) boundedArray(function string, this goja.Value, limit int64, writes bool) goja.Value {
	o, ok := this.(*goja.Object)
	if !ok {
		s.checkText(this, maxText)
		return this
	}
	if o.ClassName() == "Array" {
		if o.Get("length").ToInteger() > limit {
			panic(s.rangeError("%s of an array of more than %d elements", function, limit))
		}
		return this
	}
	if writes {
		panic(s.js.NewTypeError("%s changes arrays only", function))
	}
	return s.toArray(o, limit)
}

// toArray makes an array of an object that is like one, such as arguments.
func (s *sandbox) toArray(o *goja.Object, limit int64) *goja.Object {
	var length int64
	if value := o.Get("length"); value != nil {
		length = value.ToInteger()
	}
	if length > limit {
		panic(s.rangeError("an array of more than %d elements", limit))
	}
	elements := make([]any, max(0, length))
	for i := range elements {
		s.checkStopped()
		if value := o.Get(strconv.Itoa(i)); value != nil {
			elements[i] = value
		} else {
			elements[i] = goja.Undefined()
		}
	}
	return s.js.NewArray(elements...)
}

// join is Array.prototype.join with a bound for the text that it makes.
func (s *sandbox) join(call goja.FunctionCall) goja.Value {
	s.enter()
	defer func() { s.depth-- }()
	this := s.boundedArray("join", call.This, maxElements, false)
	array, ok := this.(*goja.Object)
	if !ok {
		array = this.ToObject(s.js)
	}
	separator := s.text(",")
	if arg := call.Argument(0); !goja.IsUndefined(arg) {
		separator = s.toText(arg)
	}
	var builder goja.StringBuilder
	size := 0
	for i := range array.Get("length").ToInteger() {
		s.checkStopped()
		if i > 0 {
			size += separator.Length()
			builder.WriteString(separator)
		}
		value := array.Get(strconv.FormatInt(i, 10))
		if value != nil && !goja.IsUndefined(value) && !goja.IsNull(value) {
			element := s.toText(value)
			size += element.Length()
			s.checkResult(size)
			builder.WriteString(element)
		}
		s.checkResult(size)
	}
	return builder.String()
}

func (s *sandbox) checkResult(size int) {
	if size > maxResult {
		panic(s.rangeError("a text of more than %d characters", maxResult))
	}
}

// toText converts a value to a string as the language does. (The interpreter's ToString
// leaves numbers as they are.)
func (s *sandbox) toText(v goja.Value) goja.String {
	if o, ok := v.(*goja.Object); ok {
		v = o.ToString()
	}
	switch v := v.(type) {
	case goja.String:
		return v
	case *goja.Symbol:
		panic(s.js.NewTypeError("a symbol is not a text"))
	}
	return s.text(v.String())
}

func (s *sandbox) text(text string) goja.String {
	str, _ := s.js.ToValue(text).(goja.String)
	return str
}

// guardCalls bounds how many arguments an array can be turned into.
func (s *sandbox) guardCalls() {
	guard := func(at int) func(builtin) builtin {
		return func(original builtin) builtin {
			return func(call goja.FunctionCall) goja.Value {
				s.enter()
				defer func() { s.depth-- }()
				if o, ok := call.Argument(at).(*goja.Object); ok {
					args := append([]goja.Value(nil), call.Arguments...)
					args[at] = s.boundedList(o)
					call.Arguments = args
				}
				return original(call)
			}
		}
	}
	s.wrap(s.prototype("Function"), "apply", guard(1))
	reflect := s.member(s.globals, "Reflect")
	s.wrap(reflect, "apply", guard(2))
	s.wrap(reflect, "construct", guard(1))
}

func (s *sandbox) boundedList(o *goja.Object) goja.Value {
	if o.ClassName() != "Array" {
		return s.toArray(o, maxArguments)
	}
	if o.Get("length").ToInteger() > maxArguments {
		panic(s.rangeError("more than %d arguments", maxArguments))
	}
	return o
}

// guardJSON puts the package's own conversions in place of JSON.parse and
// JSON.stringify, whose depth and size nothing else bounds.
func (s *sandbox) guardJSON() {
	json := s.member(s.globals, "JSON")
	s.wrap(json, "parse", func(original builtin) builtin {
		return func(call goja.FunctionCall) goja.Value {
			s.enter()
			defer func() { s.depth-- }()
			text := s.toText(call.Argument(0)).String()
			value, err := s.parse(text)
			if err != nil {
				made, newErr := s.js.New(s.globals.Get("SyntaxError"), s.js.ToValue(err.Error()))
				if newErr != nil {
					panic(newErr)
				}
				panic(made)
			}
			if _, ok := goja.AssertFunction(call.Argument(1)); ok {
				call.Arguments = append([]goja.Value{s.js.ToValue(text)}, call.Arguments[1:]...)
				return original(call)
			}
			return value
		}
	})
	s.wrap(json, "stringify", func(builtin) builtin { return s.stringify })
}

// guardObjects bounds the functions that go through all members of a value: the
// characters of a text are members too.
func (s *sandbox) guardObjects() {
	guard := func(original builtin) builtin {
		return func(call goja.FunctionCall) goja.Value {
			s.enter()
			defer func() { s.depth-- }()
			for _, arg := range call.Arguments {
				s.checkMembers(arg)
			}
			return original(call)
		}
	}
	object := s.member(s.globals, "Object")
	for _, name := range []string{
		"keys", "values", "entries", "assign", "getOwnPropertyNames", "getOwnPropertyDescriptors", "freeze", "seal",
		"isFrozen", "isSealed", "defineProperties", "create",
	} {
		s.wrap(object, name, guard)
	}
	s.wrap(s.member(s.globals, "Reflect"), "ownKeys", guard)
}

// checkMembers bounds how many members a value has that are copied or listed.
func (s *sandbox) checkMembers(v goja.Value) {
	s.checkStopped()
	if o, ok := v.(*goja.Object); ok {
		switch o.ClassName() {
		case "Array":
			s.checkLength(o.Get("length").ToInteger())
		case "String":
			s.checkText(o.ToString(), maxListed)
		}
		return
	}
	s.checkText(v, maxListed)
}

// quadratic reports whether a replacement may insert more of the text than there is.
func quadratic(replacement string) bool {
	return strings.Contains(replacement, "$`") || strings.Contains(replacement, "$'")
}
