package design

import (
	"context"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Filter is a function of a design document that says which documents pass.
type Filter struct {
	place    string
	function *script.Function
	// emits: it is a view's map function, and what it emits something for passes.
	emits bool
}

// Filter prepares the filter function of a name. The error is an *Error.
func (f *Functions) Filter(d *Document, name string) (*Filter, error) {
	source, ok := d.Filters[name]
	if !ok {
		return nil, missing("missing json key: " + name)
	}
	return f.filter(d, kindFilter, "filters/"+name, source, Modules{})
}

// ViewFilter prepares a view's map function as a filter. The error is an *Error.
func (f *Functions) ViewFilter(d *Document, view string) (*Filter, error) {
	v, ok := d.Views[view]
	if !ok {
		return nil, missing("missing json key: " + view)
	}
	return f.filter(d, kindMap, "views/"+view+"/map", v.Map, d.Lib)
}

func (f *Functions) filter(d *Document, k kind, member, source string, modules Modules) (*Filter, error) {
	place := d.ID + "/" + member
	if d.Language != JavaScript {
		return nil, &Error{Name: ErrorCompilation, Reason: d.ID + " is in the language " + d.Language + "; here is only " + JavaScript}
	}
	function, err := f.prepare(k, place, source, modules)
	if err != nil {
		return nil, uncompilable("", err)
	}
	return &Filter{place: place, function: function, emits: k == kindMap}, nil
}

// Matches reports whether a document passes. request is what the filter function is given as
// req, a JSON object. The error is an *Error, or the context's.
func (f *Filter) Matches(ctx context.Context, doc *syncstore.Document, request string) (bool, error) {
	if f.emits {
		host := counter(0)
		_, err := f.function.Call(ctx, &host, doc.FunctionJSON())
		if err != nil {
			return false, failed(f.place, err)
		}
		return host > 0, nil
	}
	result, err := f.function.Call(ctx, new(counter), doc.FunctionJSON(), request)
	if err != nil {
		return false, failed(f.place, err)
	}
	return result.True, nil
}

// emitName is how map functions make rows.
const emitName = "emit"

// counter is a host that counts what is emitted.
type counter int

// Begin implements script.Host.
func (c *counter) Begin() { *c = 0 }

// Invoke implements script.Host.
func (c *counter) Invoke(string, []script.Value) error {
	*c++
	return nil
}
