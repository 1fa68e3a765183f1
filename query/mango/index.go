// Package mango answers CouchDB's queries by selectors: _find, _index and _explain. It knows no
// HTTP.
//
// An index of fields has the documents in which all of them are, in the order of their values. It
// stands in a design document of the language "query", where CouchDB has it, so that it is
// replicated and read as any other; syncstore keeps its rows. A planner (plan.go) chooses the
// index for a query, and the parts of it in which what is asked for can be; each document is then
// matched with the selector, so that an index changes what a query costs, and not what it finds.
package mango

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// Types of indexes.
const (
	TypeJSON    = "json"
	TypeSpecial = "special" // all documents by their IDs
)

// allDocs is the name of the index that is always there.
const allDocs = "_all_docs"

// maxFields is how many fields an index or a sort may have.
const maxFields = 64

// Index is an index that can answer queries.
type Index struct {
	// Design is the ID of the design document, "" for _all_docs.
	Design string
	Name   string
	Fields []Field
	// Partial, if not nil, selects the documents that are in the index.
	Partial *query.Selector
	// id names its rows; zero for _all_docs.
	id syncstore.IndexID
	// rev is the design document's revision.
	rev syncstore.Rev
}

// AllDocs is the index of all documents by their IDs.
var AllDocs = &Index{Name: allDocs, Fields: []Field{{Name: "_id", Path: []string{"_id"}}}}

// Special reports whether it is the index that is always there.
func (x *Index) Special() bool { return x.Design == "" }

// Type is as CouchDB calls it.
func (x *Index) Type() string {
	if x.Special() {
		return TypeSpecial
	}
	return TypeJSON
}

// rowsVersion is part of what names the rows of an index: it changes when they are made otherwise.
const rowsVersion = 1

// finish names the index's rows. Directions do not matter: rows are read from either end.
func (x *Index) finish() *Index {
	partial := ""
	if x.Partial != nil {
		partial = string(x.Partial.Normalized())
	}
	text, err := json.Marshal([]any{"mango", rowsVersion, paths(x.Fields), partial})
	if err != nil {
		panic(err) // texts have always JSON
	}
	sum := sha256.Sum256(text)
	x.id = syncstore.IndexID(sum[:16])
	return x
}

// AppendJSON appends the index as _index lists it.
func (x *Index) AppendJSON(b []byte) []byte {
	b = append(b, `{"ddoc":`...)
	if x.Special() {
		b = append(b, "null"...)
	} else {
		b = jsondoc.AppendString(b, x.Design)
	}
	b = jsondoc.AppendString(append(b, `,"name":`...), x.Name)
	b = append(append(append(b, `,"type":"`...), x.Type()...), '"')
	if !x.Special() {
		b = append(b, `,"partitioned":false`...)
	}
	return append(x.appendDefinition(append(b, `,"def":`...)), '}')
}

func (x *Index) appendDefinition(b []byte) []byte {
	b = appendFields(append(b, `{"fields":`...), x.Fields)
	if x.Partial != nil {
		b = append(append(b, `,"partial_filter_selector":`...), x.Partial.Normalized()...)
	}
	return append(b, '}')
}

// ofDesign are the indexes of a design document. What can be none is left out, as in CouchDB.
func ofDesign(d *design.Document, rev syncstore.Rev) []*Index {
	if d.Language != design.Query {
		return nil
	}
	var all []*Index
	for name, view := range d.Views {
		if x := parseStored([]byte(view.Map)); x != nil {
			x.Design, x.Name, x.rev = d.ID, name, rev
			all = append(all, x.finish())
		}
	}
	slices.SortFunc(all, (*Index).compare)
	return all
}

func (x *Index) compare(y *Index) int {
	return cmp.Or(cmp.Compare(x.Design, y.Design), cmp.Compare(x.Name, y.Name))
}

// parseStored reads the definition of an index as it stands in a design document; nil for what is
// none.
func parseStored(text []byte) *Index {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] != '{' || jsondoc.Check(text) != nil {
		return nil
	}
	x := &Index{}
	err := jsondoc.Members(text, func(name string, value []byte) (err error) {
		switch name {
		case "fields":
			x.Fields, err = parseStoredFields(value)
		case "partial_filter_selector":
			x.Partial, err = parsePartial(value)
		}
		return err
	})
	if err != nil || x.check() != nil {
		return nil
	}
	return x
}

// parseStoredFields reads {"a": "asc", "b": "asc"}.
func parseStoredFields(text []byte) ([]Field, error) {
	if text[0] != '{' {
		return nil, bad("invalid_index", "fields must be an object")
	}
	var fields []Field
	err := jsondoc.Members(text, func(name string, value []byte) error {
		path, err := query.ParsePath(name)
		if err != nil {
			return err
		}
		down, err := descending(value)
		fields = append(fields, Field{Name: name, Path: path, Descending: down})
		return err
	})
	return fields, err
}

// parsePartial reads a partial filter; that of everything is nil.
func parsePartial(text []byte) (*query.Selector, error) {
	if text[0] != '{' {
		return nil, bad("invalid_selector_json", "Selector must be a JSON object, not: %s", shown(text))
	}
	s, err := query.Parse(text)
	if err != nil {
		return nil, selectorError(err)
	}
	if string(s.Normalized()) == "{}" {
		return nil, nil
	}
	return s, nil
}

// check refuses what can be no index.
func (x *Index) check() error {
	if len(x.Fields) == 0 {
		return bad("invalid_index", `An index needs fields, such as {"index": {"fields": ["type", "at"]}}`)
	}
	if len(x.Fields) > maxFields {
		return bad("invalid_index", "An index may have at most %d fields.", maxFields)
	}
	for i, f := range x.Fields {
		if has(x.Fields[:i], f.Path) {
			return bad("invalid_index", "The field %s is in the index twice.", shown(f.Name))
		}
	}
	return nil
}
