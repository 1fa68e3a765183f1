package script

import (
	"fmt"
	"path"
	"strings"

	"github.com/dop251/goja"
)

// requireName is how functions get at modules.
const requireName = "require"

const (
	// Around a module's text, so that it is one function. What comes before is in the first line,
	// from whose positions it is taken (withoutPrefix).
	moduleBegin = "function (exports, module, require) {"
	moduleEnd   = "\n}"
	// moduleMark is in the names of modules as files.
	moduleMark = " requires "
)

// modules are CommonJS modules by their paths, such as "views/lib/dates".
type modules map[string]module

type module struct {
	program *goja.Program
	err     error // why it cannot be required
}

// compileModules compiles modules, nil for none. The name is that of the function which may
// require them.
func compileModules(name string, texts map[string]string) modules {
	if len(texts) == 0 {
		return nil
	}
	all := make(modules, len(texts))
	for at, text := range texts {
		program, err := compileModule(name+moduleMark+at, text)
		all[at] = module{program, err}
	}
	return all
}

func compileModule(name, text string) (*goja.Program, error) {
	parsed, err := parse(name, moduleBegin+text+moduleEnd)
	if err != nil {
		return nil, err
	}
	function, mistake := onlyFunction(parsed)
	if mistake != "" {
		return nil, &SyntaxError{File: name, Message: "the text is no module: it closes a bracket } that it did not open"}
	}
	return compileFunction(name, parsed, function)
}

// requirer has the modules that a call required: each is run once in a call.
type requirer struct {
	s       *sandbox
	modules modules
	made    map[string]*goja.Object // the objects called module
}

func newRequirer(s *sandbox, all modules) *requirer {
	return &requirer{s: s, modules: all, made: make(map[string]*goja.Object)}
}

// require makes the function that the module at a path has, "" for the function that is called.
func (r *requirer) require(from string) *goja.Object {
	return r.s.native(requireName, func(call goja.FunctionCall) goja.Value {
		r.s.enter()
		defer func() { r.s.depth-- }()
		name, ok := Value{call.Argument(0), r.s}.Text()
		if !ok {
			panic(r.s.js.NewTypeError("require needs the path of a module, such as %q", "views/lib/dates"))
		}
		at := resolve(from, name)
		made, ok := r.made[at]
		if !ok {
			made = r.run(at, name)
		}
		return made.Get("exports")
	})
}

// resolve finds the path that a name means, which is relative to the module that says it if it
// begins with a dot.
func resolve(from, name string) string {
	name = strings.TrimSuffix(name, ".js")
	if strings.HasPrefix(name, ".") {
		return path.Join(path.Dir(from), name)
	}
	return path.Clean(name)
}

// run runs a module. What it exports so far can be required by those that it requires itself.
func (r *requirer) run(at, name string) *goja.Object {
	m, ok := r.modules[at]
	switch {
	case !ok:
		panic(r.failure(fmt.Sprintf("require: there is no module %q", name)))
	case m.err != nil:
		panic(r.failure("require: " + m.err.Error()))
	}
	made, exports := r.s.js.NewObject(), r.s.js.NewObject()
	r.s.define(made, "id", r.s.js.ToValue(at), true)
	r.s.define(made, "exports", exports, true)
	r.made[at] = made
	value, err := r.s.js.RunProgram(m.program)
	if err == nil {
		function, _ := goja.AssertFunction(value)
		_, err = function(exports, exports, made, r.require(at))
	}
	if err != nil {
		delete(r.made, at)
		panic(err) // the interpreter throws it on, or ends the call if that was stopped
	}
	return made
}

// failure is an Error of JavaScript.
func (r *requirer) failure(message string) *goja.Object {
	made, err := r.s.js.New(r.s.globals.Get("Error"), r.s.js.ToValue(message))
	if err != nil {
		panic(err)
	}
	return made
}
