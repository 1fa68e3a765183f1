package script

import (
	_ "embed" // prelude.js
	"fmt"
	"sync"

	"github.com/dop251/goja"
)

//go:embed prelude.js
var preludeText string

// preludeName is the prelude's name in stacks, from which it is left out.
const preludeName = "script/prelude.js"

// preludeProgram compiles the prelude once; a program is never written to.
var preludeProgram = sync.OnceValues(func() (*goja.Program, error) {
	return goja.Compile(preludeName, preludeText, true)
})

// keptGlobals are the built-in globals that a script sees.
func keptGlobals() []any {
	return []any{
		"Object", "Array", "String", "Number", "Boolean", "Symbol", "Math", "JSON", "Date", "RegExp", "Function",
		"Map", "Set", "WeakMap", "WeakSet", "Promise", "Reflect",
		"Error", "AggregateError", "TypeError", "ReferenceError", "SyntaxError", "RangeError", "EvalError", "URIError",
		"NaN", "undefined", "Infinity", "isNaN", "isFinite", "parseInt", "parseFloat", "globalThis",
		"encodeURI", "encodeURIComponent", "decodeURI", "decodeURIComponent", "escape", "unescape",
	}
}

// prepare puts guards around built-in functions, gives the script what it may use, and
// freezes everything.
func (s *sandbox) prepare() error {
	s.object = s.prototype("Object")
	s.guardArrays()
	s.guardStrings()
	s.guardRegExps()
	s.guardCalls()
	s.guardJSON()
	s.guardObjects()

	globals := s.js.NewObject()
	s.define(globals, "console", s.console(), true)
	s.define(globals, copyGuard, s.native(copyGuard, func(call goja.FunctionCall) goja.Value {
		s.checkMembers(call.Argument(0))
		return call.Argument(0)
	}), false)
	for _, name := range s.options.Functions {
		s.define(globals, name, s.hostFunction(name), true)
	}
	host := s.js.NewObject()
	s.define(host, "globals", globals, true)
	s.define(host, "couchdb", s.js.ToValue(s.options.CouchDB), true)
	s.define(host, "keep", s.js.NewArray(keptGlobals()...), true)
	s.define(host, "currentGlobal", s.native("currentGlobal", func(goja.FunctionCall) goja.Value {
		return s.js.GlobalObject()
	}), true)
	s.define(host, "checkLength", s.native("checkLength", func(call goja.FunctionCall) goja.Value {
		s.checkStopped()
		s.checkLength(call.Argument(0).ToInteger())
		return call.Argument(0)
	}), true)
	s.define(host, "checkPattern", s.native("checkPattern", func(call goja.FunctionCall) goja.Value {
		s.checkStopped()
		s.checkPattern(call.Argument(0))
		return call.Argument(0)
	}), true)

	program, err := preludeProgram()
	if err != nil {
		return fmt.Errorf("compiling the prelude: %w", err)
	}
	value, err := s.js.RunProgram(program)
	if err != nil {
		return fmt.Errorf("running the prelude: %w", err)
	}
	prelude, ok := goja.AssertFunction(value)
	if !ok {
		return fmt.Errorf("the prelude is not a function")
	}
	if _, err := prelude(goja.Undefined(), host); err != nil {
		return fmt.Errorf("preparing the runtime: %w", err)
	}
	return nil
}

// prototype returns the prototype of a built-in class.
func (s *sandbox) prototype(class string) *goja.Object {
	return s.member(s.member(s.globals, class), "prototype")
}

func (s *sandbox) member(o *goja.Object, name string) *goja.Object {
	member, ok := o.Get(name).(*goja.Object)
	if !ok {
		panic(s.js.NewTypeError("there is no built-in %s", name))
	}
	return member
}
