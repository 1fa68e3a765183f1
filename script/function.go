package script

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/dop251/goja"
)

// MaxTime is the longest time limit. A match of a regular expression can not be
// interrupted, only limited once for the whole process (regexp.go), and must not end
// before the function's own limit: it would count as "no match".
const MaxTime = time.Second

// Options are what a function may use. The zero value is usable.
type Options struct {
	// Functions are the names of the host's functions, as the script calls them.
	Functions []string
	// Returns fills Result.JSON.
	Returns bool
	// CouchDB gives the script what functions of design documents expect beside the
	// language: isArray, toJSON, sum and log.
	CouchDB bool
	// Time is the longest time that one call may run, while the process does; 0 and everything above mean
	// MaxTime. Waiting for a free runtime does not count.
	Time time.Duration
	// Memory is how many bytes a call may make the process's heap grow; 0 means
	// 64 MiB. 32 times the size of the arguments is added.
	Memory int64
	// Runtimes is how many calls may run at once; 0 means one for each processor,
	// four at least. Each takes about 0.5 MiB when it was used.
	Runtimes int
}

func (o Options) withDefaults() Options {
	if o.Time <= 0 || o.Time > MaxTime {
		o.Time = MaxTime
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Runtimes <= 0 {
		o.Runtimes = max(4, runtime.GOMAXPROCS(0))
	}
	o.Functions = slices.Clone(o.Functions)
	return o
}

// Host serves the functions that a script calls. One call of a Function may run the
// script several times (see Call), so the host begins anew each time.
type Host interface {
	// Begin is called before the script runs: forget what Invoke was told.
	Begin()
	// Invoke is called when the script calls one of Options.Functions. Its arguments
	// are valid until it returns. An error makes the script throw (see ThrowError).
	Invoke(function string, args []Value) error
}

// Result is what a call left, besides what it told its host.
type Result struct {
	// True reports whether the function returned something that counts as true.
	True bool
	// JSON is what the function returned as JSON, "" if that has none, such as undefined.
	// Only with Options.Returns.
	JSON string
	// Log has the lines that the script gave to console.log and its kin.
	Log []string
}

// Function is a function in JavaScript, prepared to be called. It may be called by
// several goroutines at once.
type Function struct {
	name    string
	program *goja.Program
	pool    *Pool
	modules modules // nil: there is no require
}

// Compile prepares a function with a pool of its own (see Pool.Compile).
func Compile(name, source string, options Options) (*Function, error) {
	program, err := compile(name, source)
	if err != nil {
		return nil, err
	}
	return &Function{name: name, program: program, pool: NewPool(options)}, nil
}

// attempts is how often a call is run that is suspected of taking too much memory.
const attempts = 3

// Call calls the function with arguments that are JSON texts. One that is not JSON is an
// error.
//
// The context ends only the wait for a free runtime; a call that runs has Options.Time.
// The error is an *ThrownError, ErrTimeout, ErrMemory, ErrDepth, the context's, or one of
// the interpreter's own. The Result's log is filled even then.
//
// What memory a single call takes can not be measured, only by how much the process
// grows meanwhile, for which others may be to blame. A call that seems to take too much
// is therefore repeated, alone among those of its pool, and refused if that happens
// three times in a row: the function must not depend on how often it is called.
func (f *Function) Call(ctx context.Context, host Host, args ...string) (Result, error) {
	select {
	case f.pool.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, fmt.Errorf("waiting to run %s: %w", f.name, ctx.Err())
	}
	defer func() { <-f.pool.slots }()
	result, err := f.run(host, args)
	if !errors.Is(err, ErrMemory) {
		return result, err
	}
	f.pool.alone.Lock()
	defer f.pool.alone.Unlock()
	for range attempts - 1 {
		if result, err = f.run(host, args); !errors.Is(err, ErrMemory) {
			break
		}
	}
	return result, err
}

func (f *Function) run(host Host, args []string) (Result, error) {
	s, err := f.pool.take()
	if err != nil {
		return Result{}, fmt.Errorf("preparing to run %s: %w", f.name, err)
	}
	host.Begin()
	result, err := s.call(f, host, args)
	f.pool.giveBack(s)
	return result, err
}
