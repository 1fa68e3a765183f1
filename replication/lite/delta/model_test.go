package delta

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// missing stands for a member that is not there, or is to go.
type missing struct{}

var (
	indexForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})(-?)$`)
	editForm  = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})([=+-])`)
)

// model applies a delta to values that encoding/json made: a second reading of the rules,
// by other means.
func model(old, delta any) (any, bool) {
	_, absent := old.(missing)
	switch d := delta.(type) {
	case []any:
		return modelArray(old, d, absent)
	case map[string]any:
		if len(d) == 0 {
			return old, !absent
		}
		switch o := old.(type) {
		case map[string]any:
			return modelObject(o, d)
		case []any:
			return modelElements(o, d)
		}
		return nil, false
	}
	return delta, true
}

func modelArray(old any, d []any, absent bool) (any, bool) {
	if len(d) == 1 {
		return d[0], true
	}
	if absent {
		return nil, false
	}
	switch {
	case len(d) == 0:
		return missing{}, true
	case len(d) == 2:
		return d[1], reflect.DeepEqual(old, d[0])
	case len(d) == 3 && reflect.DeepEqual(d[1:], []any{json.Number("0"), json.Number("0")}):
		return missing{}, reflect.DeepEqual(old, d[0])
	case len(d) == 3 && reflect.DeepEqual(d[1:], []any{json.Number("0"), json.Number("2")}):
		o, isString := old.(string)
		by, also := d[0].(string)
		if isString && also {
			return modelEdit(o, by)
		}
	}
	return nil, false
}

func modelObject(o, d map[string]any) (any, bool) {
	result := maps.Clone(o)
	for name, by := range d {
		v, there := o[name]
		if !there {
			v = missing{}
		}
		v, ok := model(v, by)
		if !ok {
			return nil, false
		}
		if _, gone := v.(missing); gone {
			delete(result, name)
		} else {
			result[name] = v
		}
	}
	return result, true
}

func modelElements(o []any, d map[string]any) (any, bool) {
	kept, tail, cuts := len(o), []any{}, 0
	for name, v := range d {
		m := indexForm.FindStringSubmatch(name)
		if m == nil {
			return nil, false
		}
		if m[2] == "" {
			continue
		}
		var isArray bool
		tail, isArray = v.([]any)
		kept, _ = strconv.Atoi(m[1])
		if cuts++; cuts > 1 || !isArray || kept > len(o) {
			return nil, false
		}
	}
	result := append([]any{}, o[:kept]...)
	for name, by := range d {
		i, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if i >= kept {
			return nil, false
		}
		v, ok := model(o[i], by)
		if _, gone := v.(missing); !ok || gone {
			return nil, false
		}
		result[i] = v
	}
	return append(result, tail...), true
}

func modelEdit(old, operations string) (any, bool) {
	result := ""
	for operations != "" {
		m := editForm.FindStringSubmatch(operations)
		if m == nil {
			return nil, false
		}
		operations = operations[len(m[0]):]
		n, _ := strconv.Atoi(m[1])
		if m[2] == "+" {
			if len(operations) <= n || operations[n] != '|' {
				return nil, false
			}
			result += operations[:n]
			operations = operations[n+1:]
			continue
		}
		if n > len(old) {
			return nil, false
		}
		if m[2] == "=" {
			result += old[:n]
		}
		old = old[n:]
	}
	return result, old == "" && utf8.ValidString(result)
}
