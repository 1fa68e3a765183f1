package design

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddysync/caddy-sync/script"
)

const (
	// maxEmitted is how many rows a map function may make of one document, maxEmittedBytes how
	// long their keys and values may be together.
	maxEmitted      = 50_000
	maxEmittedBytes = 32 << 20
)

// Map is the map function of a view.
type Map struct {
	place    string
	function *script.Function
}

// Map prepares a view's map function. The error is an *Error.
func (f *Functions) Map(d *Document, view string) (*Map, error) {
	filter, err := f.ViewFilter(d, view)
	if err != nil {
		return nil, err
	}
	return &Map{place: filter.place, function: filter.function}, nil
}

// Emitted is a row that a map function made: JSON, null where nothing was said.
type Emitted struct {
	Key, Value string
}

// Rows maps a document, as a JSON object, and returns what the function gave to console.log as
// well. The error is an *Error: what the function did; or the context's.
func (m *Map) Rows(ctx context.Context, doc string) ([]Emitted, []string, error) {
	host := emitter{}
	result, err := m.function.Call(ctx, &host, doc)
	if err == nil {
		err = host.err
	}
	if err != nil {
		return nil, result.Log, failed(m.place, err)
	}
	return host.rows, result.Log, nil
}

// emitter collects what is emitted.
type emitter struct {
	rows  []Emitted
	bytes int
	err   error // it can be caught, but not undone
}

// Begin implements script.Host.
func (e *emitter) Begin() { *e = emitter{} }

// Invoke implements script.Host.
func (e *emitter) Invoke(_ string, args []script.Value) error {
	row := Emitted{argumentJSON(args, 0), argumentJSON(args, 1)}
	e.bytes += len(row.Key) + len(row.Value)
	if len(e.rows) == maxEmitted || e.bytes > maxEmittedBytes {
		e.err = fmt.Errorf("more than %d rows or %d MiB of one document", maxEmitted, maxEmittedBytes>>20)
		return e.err
	}
	e.rows = append(e.rows, row)
	return nil
}

func argumentJSON(args []script.Value, at int) string {
	if at < len(args) {
		if text, ok := args[at].JSON(); ok {
			return text
		}
	}
	return "null"
}

// Reduce is the reduce function of a view in JavaScript.
type Reduce struct {
	place    string
	source   string
	function *script.Function
}

// Source is the function's text.
func (r *Reduce) Source() string { return r.source }

// Reduce prepares a view's reduce function, which is not built in. The error is an *Error.
func (f *Functions) Reduce(d *Document, view string) (*Reduce, error) {
	place := d.ID + "/views/" + view + "/reduce"
	function, err := f.prepare(kindReduce, place, d.Views[view].Reduce, Modules{})
	if err != nil {
		return nil, uncompilable("", err)
	}
	return &Reduce{place, d.Views[view].Reduce, function}, nil
}

// Values calls the function with JSON arrays: keys is "null" for a rereduce. An exception makes
// null, as in CouchDB, and is returned to be logged.
func (r *Reduce) Values(ctx context.Context, keys, values string, rereduce bool) (result string, thrown, err error) {
	flag := "false"
	if rereduce {
		flag = "true"
	}
	returned, err := r.function.Call(ctx, new(counter), keys, values, flag)
	if err != nil {
		err = failed(r.place, err)
		if known, ok := errors.AsType[*Error](err); ok && strings.HasPrefix(known.Reason, "Exception in ") {
			return "null", known, nil
		}
		return "", nil, err
	}
	if returned.JSON == "" {
		return "null", nil, nil
	}
	return returned.JSON, nil, nil
}
