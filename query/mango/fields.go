package mango

import (
	"slices"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// Field is a field of an index or of a sort.
type Field struct {
	// Name is the path as it was written, Path its parts.
	Name       string
	Path       []string
	Descending bool
}

// parseFields reads a sort, or the fields of an index: names, or objects of a name and "asc" or
// "desc". All have one direction, as in CouchDB.
func parseFields(text []byte) ([]Field, error) {
	fields := []Field{}
	if text[0] != '[' {
		return nil, bad("invalid_sort_json", `Sort must be an array of fields, such as ["a", "b.c"] or [{"a": "desc"}], not: %s`, shown(text))
	}
	err := jsondoc.Elements(text, func(element []byte) error {
		f, err := parseField(element)
		if err != nil {
			return err
		}
		if len(fields) > 0 && f.Descending != fields[0].Descending {
			return bad("unsupported_mixed_sort", "Sorts currently only support a single direction for all fields.")
		}
		if fields = append(fields, f); len(fields) > maxFields {
			return bad("invalid_sort_json", "At most %d fields are allowed.", maxFields)
		}
		return nil
	})
	return fields, err
}

func parseField(text []byte) (f Field, err error) {
	invalid := func() error {
		return bad("invalid_sort_field", `Invalid sort field: %s; write a name, or {"name": "desc"}`, shown(text))
	}
	switch text[0] {
	case '"':
		if f.Name, err = jsondoc.String(text); err != nil {
			return f, err
		}
	case '{':
		n := 0
		err = jsondoc.Members(text, func(name string, direction []byte) error {
			n++
			f.Name = name
			f.Descending, err = descending(direction)
			return err
		})
		if err != nil {
			return f, err
		}
		if n != 1 {
			return f, invalid()
		}
	default:
		return f, invalid()
	}
	if f.Name == "" {
		return f, invalid()
	}
	f.Path, err = query.ParsePath(f.Name)
	if err != nil {
		return f, bad("invalid_field_name", "%s", err)
	}
	return f, nil
}

func descending(direction []byte) (bool, error) {
	switch string(direction) {
	case `"asc"`:
		return false, nil
	case `"desc"`:
		return true, nil
	}
	return false, bad("invalid_sort_dir", `Invalid sort direction: %s; there are "asc" and "desc"`, shown(direction))
}

func direction(descending bool) string {
	if descending {
		return "desc"
	}
	return "asc"
}

// appendFields writes fields as CouchDB does, as objects of one member each.
func appendFields(b []byte, fields []Field) []byte {
	b = append(b, '[')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsondoc.AppendString(append(b, '{'), f.Name)
		b = append(append(append(b, `:"`...), direction(f.Descending)...), `"}`...)
	}
	return append(b, ']')
}

func paths(fields []Field) [][]string {
	all := make([][]string, len(fields))
	for i, f := range fields {
		all[i] = f.Path
	}
	return all
}

// has reports whether a path is among the fields.
func has(fields []Field, path []string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return slices.Equal(f.Path, path) })
}
