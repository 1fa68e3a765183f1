package script

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/dop251/goja"
)

const (
	// maxCallDepth is how deep functions of a script may call one another.
	maxCallDepth = 500
	// maxNativeDepth is how deep built-in functions may call one another, such as
	// toString of arrays in arrays: they use the goroutine's stack.
	maxNativeDepth = 200
)

// sandbox is a runtime whose globals and built-in objects are frozen, so that a call
// leaves nothing behind for the next one: the function itself is made anew each time,
// and what it assigns to undeclared names goes into an object that is dropped.
// One goroutine at a time uses it.
type sandbox struct {
	js      *goja.Runtime
	options Options
	globals *goja.Object
	object  *goja.Object // Object.prototype
	watch   *watch
	// stopped is set when the call was interrupted, for built-in functions that do not
	// return to the interpreter for long.
	stopped atomic.Bool
	broken  bool
	depth   int // of built-in functions
	made    int // values of JSON

	spare   [][]member // of former arguments, for use again
	objects []*object  // of this call

	host     Host
	log      log
	rejected []*goja.Promise
}

func newSandbox(options Options) (*sandbox, error) {
	s := &sandbox{js: goja.New(), options: options}
	s.globals = s.js.GlobalObject()
	s.js.SetMaxCallStackSize(maxCallDepth)
	s.js.SetPromiseRejectionTracker(s.trackRejection)
	s.watch = newWatch(func(reason error) {
		s.stopped.Store(true)
		s.js.Interrupt(reason)
	})
	var err error
	if ex := s.js.Try(func() { err = s.prepare() }); ex != nil {
		return nil, ex
	}
	return s, err
}

// touched reports whether the sandbox must not be used again: after a call that was
// stopped, or that ended in a way that should not happen.
func (s *sandbox) touched() bool {
	return s.broken || s.stopped.Load()
}

// call runs the program, which is a function, and calls that function.
func (s *sandbox) call(f *Function, host Host, args []string) (result Result, err error) {
	s.host, s.log, s.rejected, s.depth, s.made = host, log{}, nil, 0, 0
	size := 0
	for _, arg := range args {
		size += len(arg)
	}
	s.watch.begin(s.options.Time, s.options.Memory+32*int64(size))
	defer func() {
		if x := recover(); x != nil { // an interrupt outside the interpreter, or a mistake in it
			err = s.failure(x)
		}
		if reason := s.watch.end(); reason != nil {
			s.broken = true
			err = reason
		}
		result.Log, s.host = s.log.lines, nil
		s.reclaim()
	}()
	returned, err := s.invoke(f, args)
	if err == nil && len(s.rejected) > 0 {
		err = s.exception(s.rejected[0].Result(), nil)
	}
	if err == nil {
		result.True = returned.ToBoolean()
		if s.options.Returns {
			result.JSON, err = s.jsonOf(returned)
		}
	}
	return result, err
}

func (s *sandbox) invoke(f *Function, args []string) (goja.Value, error) {
	values := make([]goja.Value, len(args))
	for i, arg := range args {
		value, err := s.argument(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		values[i] = value
	}
	global := s.js.CreateObject(s.globals)
	s.js.SetGlobalObject(global)
	if f.modules != nil {
		s.define(global, requireName, newRequirer(s, f.modules).require(""), true)
	}
	function, err := s.js.RunProgram(f.program)
	if err != nil {
		return nil, s.failure(err)
	}
	call, ok := goja.AssertFunction(function)
	if !ok {
		return nil, errors.New("the text is not a function")
	}
	returned, err := call(goja.Undefined(), values...)
	if err != nil {
		return nil, s.failure(err)
	}
	return returned, nil
}

// failure makes an error of what the interpreter returned or panicked with.
func (s *sandbox) failure(x any) error {
	err, ok := x.(error)
	if !ok {
		s.broken = true
		return fmt.Errorf("the interpreter failed: %v", x)
	}
	var (
		interrupted *goja.InterruptedError
		overflow    *goja.StackOverflowError
		exception   *goja.Exception
	)
	switch {
	case errors.As(err, &interrupted):
		s.broken = true
		if reason, ok := interrupted.Value().(error); ok {
			return reason
		}
	case errors.As(err, &overflow):
		s.broken = true
		return ErrDepth
	case errors.As(err, &exception):
		return s.exception(exception.Value(), exception.Stack())
	}
	s.broken = true
	return fmt.Errorf("the interpreter failed: %w", err)
}

// trackRejection keeps the promises that were rejected and that nobody waits for. A
// refusal in an async function must not get lost.
func (s *sandbox) trackRejection(p *goja.Promise, operation goja.PromiseRejectionOperation) {
	if operation == goja.PromiseRejectionReject {
		s.rejected = append(s.rejected, p)
		return
	}
	if i := slices.Index(s.rejected, p); i >= 0 {
		s.rejected = slices.Delete(s.rejected, i, i+1)
	}
}

// hostFunction makes a function that the script can call.
func (s *sandbox) hostFunction(name string) goja.Value {
	return s.native(name, func(call goja.FunctionCall) goja.Value {
		s.enter()
		defer func() { s.depth-- }()
		args := make([]Value, len(call.Arguments))
		for i, arg := range call.Arguments {
			args[i] = Value{arg, s}
		}
		err := s.host.Invoke(name, args)
		if err == nil {
			return goja.Undefined()
		}
		if throw, ok := errors.AsType[*ThrowError](err); ok {
			thrown := s.js.NewObject()
			for name, text := range throw.Members {
				s.define(thrown, name, s.js.ToValue(text), true)
			}
			panic(thrown)
		}
		panic(s.js.NewTypeError("%s: %s", name, err.Error()))
	})
}

// native makes a function of the name that is written in Go.
func (s *sandbox) native(name string, f func(goja.FunctionCall) goja.Value) *goja.Object {
	function, ok := s.js.ToValue(f).(*goja.Object)
	if !ok {
		panic("a function is an object")
	}
	s.define(function, "name", s.js.ToValue(name), false)
	return function
}

// define defines an ordinary property. It panics only if the interpreter is mistaken.
func (s *sandbox) define(o *goja.Object, name string, value goja.Value, enumerable bool) {
	if err := o.DefineDataProperty(name, value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.ToFlag(enumerable)); err != nil {
		panic(err)
	}
}

// nativeOf returns a built-in function as Go calls it, without the detour over the
// interpreter. ok is false for what is not one.
func nativeOf(v goja.Value) (func(goja.FunctionCall) goja.Value, bool) {
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != reflect.TypeFor[func(goja.FunctionCall) goja.Value]() {
		return nil, false
	}
	f, ok := o.Export().(func(goja.FunctionCall) goja.Value)
	return f, ok
}
