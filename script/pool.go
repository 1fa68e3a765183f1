package script

import "sync"

// Pool is a number of runtimes that functions of the same Options share. It may be used by
// several goroutines at once.
type Pool struct {
	options Options

	slots chan struct{} // one for each call that runs
	mu    sync.Mutex
	idle  []*sandbox

	alone sync.Mutex // held by a call that is repeated
}

// NewPool makes a pool. Runtimes are made when they are needed.
func NewPool(options Options) *Pool {
	options = options.withDefaults()
	return &Pool{options: options, slots: make(chan struct{}, options.Runtimes)}
}

// Compile prepares a function that runs in the pool. The name is that of the file the
// text comes from, for errors. The text is one function (function (doc) { … } or an arrow
// function), with comments around it if it likes. The error is a *SyntaxError.
func (p *Pool) Compile(name, source string) (*Function, error) {
	return p.CompileWith(name, source, nil)
}

// CompileWith is Compile for a function that may require modules, by their paths. What is wrong
// with a module is thrown when it is required.
func (p *Pool) CompileWith(name, source string, modules map[string]string) (*Function, error) {
	program, err := compile(name, source)
	if err != nil {
		return nil, err
	}
	return &Function{name: name, program: program, pool: p, modules: compileModules(name, modules)}, nil
}

// Check says why a text is not a function that can be run, nil if it is one: the error is
// a *SyntaxError.
func Check(name, source string) error {
	_, err := compile(name, source)
	return err
}

// take returns a runtime that nobody uses. The caller holds a slot.
func (p *Pool) take() (*sandbox, error) {
	p.mu.Lock()
	if last := len(p.idle) - 1; last >= 0 {
		s := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return s, nil
	}
	p.mu.Unlock()
	return newSandbox(p.options)
}

func (p *Pool) giveBack(s *sandbox) {
	if s.touched() {
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, s)
	p.mu.Unlock()
}
