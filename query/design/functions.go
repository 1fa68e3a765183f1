package design

import (
	"container/list"
	"sync"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
)

// keptFunctions is how many functions are kept prepared.
const keptFunctions = 256

// Functions prepares the functions of design documents, and keeps those that were used last.
// One is enough for a server: their runtimes are shared. It may be used by many goroutines at
// once.
type Functions struct {
	pools [kinds]*script.Pool

	mu    sync.Mutex
	known map[functionKey]*list.Element
	order *list.List // of *prepared, the last used first

	parsed map[*syncstore.Document]*Document
}

// Parse is the package's Parse, which it does once for a document.
func (f *Functions) Parse(doc *syncstore.Document) (*Document, error) {
	f.mu.Lock()
	d, ok := f.parsed[doc]
	f.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.parsed == nil || len(f.parsed) >= keptFunctions {
		f.parsed = make(map[*syncstore.Document]*Document)
	}
	f.parsed[doc] = d
	return d, nil
}

// kind is what a function is called as.
type kind int

const (
	kindFilter kind = iota
	kindMap
	kindReduce
	kinds
)

type functionKey struct {
	kind                  kind
	name, source, modules string
}

type prepared struct {
	key      functionKey
	function *script.Function
}

// NewFunctions returns a place to prepare functions. Runtimes are made when they are needed.
func NewFunctions() *Functions {
	return &Functions{
		pools: [kinds]*script.Pool{
			kindFilter: script.NewPool(script.Options{CouchDB: true}),
			kindMap:    script.NewPool(script.Options{CouchDB: true, Functions: []string{emitName}}),
			kindReduce: script.NewPool(script.Options{CouchDB: true, Returns: true}),
		},
		known: make(map[functionKey]*list.Element), order: list.New(),
	}
}

// prepare compiles a function, once. The name is that of its place. The error is a
// *script.SyntaxError.
func (f *Functions) prepare(k kind, name, source string, modules Modules) (*script.Function, error) {
	key := functionKey{k, name, source, modules.text}
	f.mu.Lock()
	if at, ok := f.known[key]; ok {
		f.order.MoveToFront(at)
		defer f.mu.Unlock()
		return at.Value.(*prepared).function, nil //nolint:forcetypeassert // nothing else is in the list
	}
	f.mu.Unlock()
	function, err := f.pools[k].CompileWith(name, source, modules.byPath)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.known[key]; !ok {
		f.known[key] = f.order.PushFront(&prepared{key, function})
		if last := f.order.Back(); f.order.Len() > keptFunctions {
			delete(f.known, f.order.Remove(last).(*prepared).key) //nolint:forcetypeassert // see above
		}
	}
	return function, nil
}
