package mango

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// Definition is an index that is to be made: the body of POST _index.
type Definition struct {
	*Index
	text []byte // the member index, as it came
}

// ParseDefinition reads the body of POST _index. The error is an *Error, or one of jsondoc.
func ParseDefinition(body []byte) (*Definition, error) {
	if err := object(body); err != nil {
		return nil, err
	}
	d := &Definition{Index: &Index{}}
	err := jsondoc.Members(body, func(name string, value []byte) (err error) {
		switch name {
		case "index":
			return d.parseIndex(value)
		case "name":
			d.Name, err = nameOf(value)
		case "ddoc":
			d.Design, err = nameOf(value)
		case "type":
			err = parseType(value)
		case "w":
			_, err = wholeNumber(value, 1)
		case "partitioned":
			if string(value) != "false" {
				err = bad("invalid_partitioned_value", "This server has no partitions: leave the member partitioned out.")
			}
		default:
			err = bad("invalid_key", "Invalid key %s for this request.", shown(name))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if d.text == nil {
		return nil, bad("missing_required_key", `Missing required key: index; such as {"index": {"fields": ["type", "at"]}}`)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	d.nameIt()
	return d, nil
}

func (d *Definition) parseIndex(text []byte) error {
	if text[0] != '{' {
		return bad("invalid_index", "JSON indexes must be an object, not: %s", shown(text))
	}
	d.text = text
	return jsondoc.Members(text, func(name string, value []byte) (err error) {
		switch name {
		case "fields":
			d.Fields, err = parseFields(value)
		case "partial_filter_selector":
			d.Partial, err = parsePartial(value)
		default:
			err = bad("invalid_key", "Invalid key %s for this request.", shown(name))
		}
		return err
	})
}

func nameOf(value []byte) (string, error) {
	if value[0] != '"' {
		return "", bad("invalid_string", "Invalid string: %s", shown(value))
	}
	name, err := jsondoc.String(value)
	if err == nil && name == "" {
		return "", bad("invalid_empty_string", "Index name or ddoc cannot be empty string")
	}
	return name, err
}

func parseType(value []byte) error {
	if string(value) == `"json"` {
		return nil
	}
	return bad("invalid_index", "Invalid type for index: %s; this server has json only", shown(value))
}

// nameIt gives the index the names that it was not given: by what it is, so that the same
// definition has the same name wherever it is made.
func (d *Definition) nameIt() {
	text, err := json.Marshal([]string{string(d.appendDefinition(nil)), d.Name, d.Design})
	if err != nil {
		panic(err) // texts have always JSON
	}
	const length = 20
	sum := sha256.Sum256(text)
	name := hex.EncodeToString(sum[:length])
	if d.Name == "" {
		d.Name = name
	}
	if d.Design == "" {
		d.Design = name
	}
	d.Design = designID(d.Design)
}

// AddTo puts the index into a design document's body; nil is the body of a new one. It reports
// false if it is there already.
func (d *Definition) AddTo(body []byte) (changed []byte, added bool, err error) {
	if body == nil {
		body = []byte(`{"language":"query"}`)
	}
	if err := checkLanguage(body); err != nil {
		return nil, false, err
	}
	views := memberOf(body, "views")
	if views == nil || views[0] != '{' {
		views = []byte("{}")
	}
	if old := memberOf(views, d.Name); old != nil && old[0] == '{' && d.same(parseStored(memberOf(old, "map"))) {
		return body, false, nil
	}
	view, err := d.view()
	if err != nil {
		return nil, false, err
	}
	return with(body, "views", with(views, d.Name, view)), true, nil
}

// same reports whether an index is as it is to be.
func (d *Definition) same(x *Index) bool {
	return x != nil && bytes.Equal(x.appendDefinition(nil), d.appendDefinition(nil))
}

// view is the index as it stands in a design document of CouchDB's.
func (d *Definition) view() ([]byte, error) {
	b := append([]byte(nil), `{"map":{"fields":{`...)
	for i, f := range d.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(jsondoc.AppendString(b, f.Name), `:"`...), direction(f.Descending)...), '"')
	}
	partial := []byte("{}")
	if d.Partial != nil {
		partial = d.Partial.Normalized()
	}
	b = append(append(b, `},"partial_filter_selector":`...), partial...)
	b = append(append(append(b, `},"reduce":"_count","options":{"def":`...), d.text...), "}}"...)
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return nil, fmt.Errorf("writing an index: %w", err)
	}
	return compact.Bytes(), nil
}

// RemoveFrom takes indexes out of a design document's body. gone: nothing is left of it.
func RemoveFrom(body []byte, names ...string) (changed []byte, gone bool, err error) {
	if err := checkLanguage(body); err != nil {
		return nil, false, err
	}
	views := memberOf(body, "views")
	for _, name := range names {
		views = with(views, name, nil)
	}
	if len(bytes.TrimSpace(views)) > len("{}") {
		return with(body, "views", views), false, nil
	}
	body = with(body, "views", nil)
	return body, len(with(body, "language", nil)) == len("{}"), nil
}

func checkLanguage(body []byte) error {
	language := design.JavaScript
	if text := memberOf(body, "language"); text != nil {
		language = string(text)
		if name, err := jsondoc.String(text); err == nil {
			language = name
		}
	}
	if language != design.Query {
		return bad("invalid_ddoc_lang", "Existing design doc has an invalid language: %s; name another one by the member ddoc", shown(language))
	}
	return nil
}

// memberOf is a member of an object, nil if there is none.
func memberOf(object []byte, wanted string) (found []byte) {
	_ = jsondoc.Members(object, func(name string, value []byte) error {
		if name == wanted {
			found = value
		}
		return nil
	})
	return found
}

// with sets a member of an object, or takes it out if value is nil.
func with(object []byte, wanted string, value []byte) []byte {
	b := []byte{'{'}
	add := func(name string, value []byte) {
		if value == nil {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(jsondoc.AppendString(b, name), ':'), value...)
	}
	set := false
	_ = jsondoc.Members(object, func(name string, old []byte) error {
		if name == wanted {
			old, set = value, true
		}
		add(name, old)
		return nil
	})
	if !set {
		add(wanted, value)
	}
	return append(b, '}')
}

// ParseBulkDelete reads the body of POST _index/_bulk_delete: the IDs of design documents.
func ParseBulkDelete(body []byte) ([]string, error) {
	if err := object(body); err != nil {
		return nil, err
	}
	var ids []string
	given := false
	err := jsondoc.Members(body, func(name string, value []byte) error {
		switch {
		case name == "w":
			_, err := wholeNumber(value, 1)
			return err
		case name != "docids":
			return bad("invalid_key", "Invalid key %s for this request.", shown(name))
		case value[0] != '[':
			return bad("invalid_bulk_docs", "Bulk Delete requires an array of non-null docids. Docids: %s", shown(value))
		}
		given = true
		return jsondoc.Elements(value, func(element []byte) error {
			if element[0] != '"' {
				return bad("invalid_index_name", "Invalid index name: %s", shown(element))
			}
			id, err := jsondoc.String(element)
			ids = append(ids, designID(id))
			return err
		})
	})
	if err == nil && !given {
		err = bad("missing_required_key", "Missing required key: docids")
	}
	return ids, err
}

// Find is the index of a design document with a name and a type, nil if there is none.
func Find(indexes []*Index, ddoc, kind, name string) *Index {
	for _, x := range indexes {
		if !x.Special() && x.Design == designID(ddoc) && x.Type() == kind && x.Name == name {
			return x
		}
	}
	return nil
}
