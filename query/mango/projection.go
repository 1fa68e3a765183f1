package mango

import (
	"slices"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// maxProjected is how many fields may be asked for.
const maxProjected = 200

// Projection takes fields out of documents.
type Projection struct {
	names  []string
	fields *query.Fields
	paths  [][]string
}

// parseProjection reads the names of fields; none of them stands for all.
func parseProjection(text []byte) (*Projection, error) {
	if text[0] != '[' {
		return nil, bad("invalid_fields", `Fields must be an array of strings, such as ["_id", "a.b"], not: %s`, shown(text))
	}
	p := &Projection{}
	err := jsondoc.Elements(text, func(element []byte) error {
		if element[0] != '"' {
			return bad("invalid_field", "Invalid JSON for field spec: %s; write a name as a string", shown(element))
		}
		if len(p.names) == maxProjected {
			return bad("invalid_fields", "At most %d fields may be asked for.", maxProjected)
		}
		name, err := jsondoc.String(element)
		if err != nil {
			return err
		}
		path, err := query.ParsePath(name)
		if err != nil {
			return bad("invalid_field_name", "%s", err)
		}
		p.names, p.paths = append(p.names, name), append(p.paths, path)
		return nil
	})
	if err != nil || len(p.names) == 0 {
		return nil, err
	}
	p.fields = query.NewFields(p.paths)
	return p, nil
}

// Append appends the fields of a document, which is a whole JSON object with _id and all.
func (p *Projection) Append(b, document []byte) []byte {
	root := &branch{}
	for i, v := range p.fields.ValuesIn(document) {
		if v != nil {
			root.set(p.paths[i], v)
		}
	}
	return root.append(b)
}

// branch is an object of a projection, or a value that was taken whole.
type branch struct {
	name  string
	value []byte
	parts []*branch
}

func (o *branch) set(path []string, value []byte) {
	for _, name := range path {
		if o.value != nil {
			return // what is asked for is in what was taken
		}
		at := slices.IndexFunc(o.parts, func(part *branch) bool { return part.name == name })
		if at < 0 {
			at = len(o.parts)
			o.parts = append(o.parts, &branch{name: name})
		}
		o = o.parts[at]
	}
	o.value, o.parts = value, nil
}

func (o *branch) append(b []byte) []byte {
	if o.value != nil {
		return append(b, o.value...)
	}
	b = append(b, '{')
	for i, part := range o.parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = part.append(append(jsondoc.AppendString(b, part.name), ':'))
	}
	return append(b, '}')
}
