package jsondoc

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// MemberError says which member of a text is wrong, and what belongs there. It quotes no value.
type MemberError string

func (e MemberError) Error() string { return string(e) }

// Explain makes a MemberError of an error of encoding/json that has the names of Go's types, or
// json's own, in it. Others stay as they are.
func Explain(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := "the JSON"
		if name := strings.Trim(wrong.Field, "."); name != "" {
			where = "the member " + name
		}
		return MemberError(where + " has " + kindOfValue(wrong.Value) + " where " + kindOfType(wrong.Type) + " belongs")
	}
	if err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return MemberError("the member " + name + " is not known here")
		}
	}
	return err
}

// kindOfValue is the kind of a JSON value; json has a number's digits behind it.
func kindOfValue(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	switch kind {
	case "array", "object":
		return "an " + kind
	case "bool":
		return "a boolean"
	}
	return "a " + kind
}

func kindOfType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	}
	return "an object"
}
