// Package design reads design documents, and runs the functions that stand in them: filters
// and, for views, map and reduce. It knows no HTTP.
package design

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Languages of design documents.
const (
	// JavaScript is the language of functions. A document that names none is in it.
	JavaScript = "javascript"
	// Query is the language of Mango's indexes.
	Query = "query"
)

// Document is what stands in a design document.
type Document struct {
	// ID is the document's, with "_design/".
	ID       string
	Language string
	Filters  map[string]string
	Views    map[string]View
	// Lib are the modules in views.lib, which map functions may require.
	Lib     Modules
	Options ViewOptions

	kept sync.Map
}

// Kept is what was made of the document once, under a name.
func (d *Document) Kept(name string, of func() any) any {
	if value, ok := d.kept.Load(name); ok {
		return value
	}
	value, _ := d.kept.LoadOrStore(name, of())
	return value
}

// View is a view as it is written down.
type View struct {
	// Map is the map function; for Mango's indexes their definition, a JSON object.
	Map string
	// Reduce is the reduce function or the name of a built-in one, "" if there is none.
	Reduce string
}

// ViewOptions are those of all views of a document.
type ViewOptions struct {
	// LocalSeq gives the map function doc._local_seq.
	LocalSeq bool `json:"local_seq"`
	// IncludeDesign has design documents mapped too.
	IncludeDesign bool `json:"include_design"`
	// Collation is how keys are ordered: "" by the Unicode collation, or Raw.
	Collation string `json:"collation,omitempty"`
}

// Raw is the collation of keys in the order of CouchDB's own terms: numbers, false, null, true,
// objects, arrays, and strings by their bytes.
const Raw = "raw"

// Name is the document's name without "_design/".
func (d *Document) Name() string { return strings.TrimPrefix(d.ID, syncstore.DesignPrefix) }

// Parse reads a design document. What is not as CouchDB wants it is an *Error
// "invalid_design_doc".
func Parse(doc *syncstore.Document) (*Document, error) {
	// Not into a struct: that takes "Language" for "language" too (DECISIONS 26).
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc.Body, &members); err != nil {
		return nil, invalid("the design document is no JSON object")
	}
	d := &Document{ID: doc.ID, Language: JavaScript}
	if text := members["language"]; !absent(text) && json.Unmarshal(text, &d.Language) != nil {
		return nil, invalid("`language` field must have string type")
	}
	if text := members["filters"]; !absent(text) && json.Unmarshal(text, &d.Filters) != nil {
		return nil, invalid("`filters` field must be an object whose members are strings")
	}
	if !d.Options.parse(members["options"]) {
		return nil, invalid("`options` field must be an object")
	}
	if d.Options.Collation != Raw {
		d.Options.Collation = "" // what CouchDB does not know either is as if it were not there
	}
	var text string
	if validate := members["validate_doc_update"]; !absent(validate) && json.Unmarshal(validate, &text) != nil {
		return nil, invalid("`validate_doc_update` field must have string type")
	}
	return d, d.parseViews(members["views"])
}

// parse reads the options of a document, and reports false if they are of another form.
func (o *ViewOptions) parse(text json.RawMessage) bool {
	if absent(text) {
		return true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return false
	}
	for name, into := range map[string]any{"local_seq": &o.LocalSeq, "include_design": &o.IncludeDesign, "collation": &o.Collation} {
		if text := members[name]; !absent(text) && json.Unmarshal(text, into) != nil {
			return false
		}
	}
	return true
}

// absent reports whether a member is missing or null.
func absent(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

func (d *Document) parseViews(text json.RawMessage) error {
	if absent(text) {
		return nil
	}
	var views map[string]json.RawMessage
	if json.Unmarshal(text, &views) != nil {
		return invalid("`views` field must have object type")
	}
	d.Views = make(map[string]View, len(views))
	for name, text := range views {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return invalid(fmt.Sprintf("`views.%s` field must have object type", name))
		}
		if name == "lib" && absent(members["map"]) {
			d.Lib = parseModules("views/lib", text)
			continue
		}
		v := View{Map: string(members["map"])}
		if d.Language != Query && json.Unmarshal(members["map"], &v.Map) != nil {
			return invalid(fmt.Sprintf("`views.%s.map` field must have string type", name))
		}
		if reduce := members["reduce"]; !absent(reduce) && json.Unmarshal(reduce, &v.Reduce) != nil {
			return invalid(fmt.Sprintf("`views.%s.reduce` field must have string type", name))
		}
		d.Views[name] = v
	}
	return nil
}

// Check says why a design document cannot be stored, by an *Error, nil if it can: its members
// must be what they have to be, and its views and its validate_doc_update functions. A filter
// is looked at only when it is used, as in CouchDB.
func Check(doc *syncstore.Document) error {
	d, err := Parse(doc)
	if err != nil || d.Language != JavaScript {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(d.Views)) {
		view := d.Views[name]
		if err := script.Check(d.ID+"/views/"+name+"/map", view.Map); err != nil {
			return uncompilable(fmt.Sprintf("Compilation of the map function in the '%s' view failed: ", name), err)
		}
		if err := checkReduce(d.ID+"/views/"+name+"/reduce", view.Reduce); err != nil {
			return uncompilable(fmt.Sprintf("Compilation of the reduce function in the '%s' view failed: ", name), err)
		}
	}
	return nil
}

func checkReduce(place, text string) error {
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "_"):
		if _, ok := BuiltIn(text); !ok {
			return fmt.Errorf("%s is no built-in reduce function; there are %s", text, strings.Join(builtIns, ", "))
		}
		return nil
	}
	return script.Check(place, text)
}

// builtIns are the reduce functions that are not written in JavaScript.
var builtIns = []string{"_sum", "_count", "_stats", "_approx_count_distinct"}

// BuiltIn returns the name of a reduce function that is built in, and false for others. What
// follows the name is ignored, as in CouchDB.
func BuiltIn(reduce string) (string, bool) {
	name := reduce
	if end := strings.IndexFunc(reduce, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }); end >= 0 {
		name = reduce[:end]
	}
	return name, slices.Contains(builtIns, name)
}
