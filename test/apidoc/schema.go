package apidoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// annotations are the keywords of a schema that a value is not held against.
var annotations = []string{
	"description", "summary", "example", "examples", "default", "format", "readOnly", "writeOnly", "contentEncoding",
	"minimum", "maximum", "minLength", "maxLength",
}

// Check holds a JSON text against a schema.
func (a *API) Check(schema any, text []byte) error {
	value, err := decode(text)
	if err != nil {
		return err
	}
	return a.check(schema, value, "")
}

func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// check holds a value against a schema; at is where in the text it stands.
func (a *API) check(schema, value any, at string) error {
	s, err := a.resolve(schema)
	if err != nil {
		return err
	}
	for keyword, want := range s {
		switch keyword {
		case "type":
			err = checkType(want, value)
		case "const":
			if !same(want, value) {
				err = fmt.Errorf("%v is not %v", value, want)
			}
		case "enum":
			if !slices.ContainsFunc(list(want), func(v any) bool { return same(v, value) }) {
				err = fmt.Errorf("%v is none of %v", value, want)
			}
		case "required":
			err = checkRequired(list(want), value)
		case "items":
			err = a.checkItems(want, value, at)
		case "minItems":
			if items, ok := value.([]any); ok && len(items) < want.(int) {
				err = errors.New("too few elements")
			}
		case "oneOf":
			err = a.checkOneOf(list(want), value, at)
		case "allOf":
			for _, one := range list(want) {
				err = errors.Join(err, a.check(one, value, at))
			}
		case "properties":
			err = a.checkMembers(s, value, at)
		case "additionalProperties", "patternProperties":
			if s["properties"] == nil {
				err = a.checkMembers(s, value, at)
			}
		default:
			if !slices.Contains(annotations, keyword) && !strings.HasPrefix(keyword, "x-") {
				err = fmt.Errorf("the keyword %s is not known here", keyword)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", cmpOr(at, "body"), err)
		}
	}
	return nil
}

func cmpOr(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func checkType(want, value any) error {
	names := list(want)
	if names == nil {
		names = []any{want}
	}
	is := ""
	switch v := value.(type) {
	case nil:
		is = "null"
	case bool:
		is = "boolean"
	case string:
		is = "string"
	case json.Number:
		is = "number"
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			is = "integer"
		}
	case []any:
		is = "array"
	case map[string]any:
		is = "object"
	}
	if slices.Contains(names, any(is)) || is == "integer" && slices.Contains(names, any("number")) {
		return nil
	}
	return fmt.Errorf("%s, not %v", is, want)
}

// same compares a value of the description with one of JSON.
func same(want, value any) bool {
	if n, ok := value.(json.Number); ok {
		return fmt.Sprint(want) == n.String()
	}
	return reflect.DeepEqual(want, value)
}

func checkRequired(names []any, value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for _, name := range names {
		if _, there := members[name.(string)]; !there {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

func (a *API) checkItems(schema, value any, at string) error {
	items, _ := value.([]any)
	for i, item := range items {
		if err := a.check(schema, item, at+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) checkOneOf(schemas []any, value any, at string) error {
	var fits int
	var errs []error
	for _, schema := range schemas {
		if err := a.check(schema, value, at); err != nil {
			errs = append(errs, err)
		} else {
			fits++
		}
	}
	switch fits {
	case 1:
		return nil
	case 0:
		return fmt.Errorf("none of oneOf fits: %w", errors.Join(errs...))
	}
	return fmt.Errorf("%d of oneOf fit", fits)
}

func (a *API) checkMembers(s map[string]any, value any, at string) error {
	members, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for name, member := range members {
		schema, known := object(s["properties"])[name]
		for pattern, of := range object(s["patternProperties"]) {
			if regexp.MustCompile(pattern).MatchString(name) {
				schema, known = of, true
			}
		}
		switch additional := s["additionalProperties"].(type) {
		case bool:
			if !known && !additional {
				return fmt.Errorf("the member %s is not known", name)
			}
		case map[string]any:
			if !known {
				schema, known = additional, true
			}
		}
		if !known {
			continue
		}
		if err := a.check(schema, member, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}
