package script

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// maxDepth is how deep JSON may be nested, read or written: somewhat deeper than what a
// document may be (DECISIONS 26).
const maxDepth = 600

// jsonWriter writes values as JSON as JSON.stringify does, but for halves of surrogate
// pairs, which become U+FFFD.
type jsonWriter struct {
	s        *sandbox
	text     []byte
	limit    int  // bytes
	cutOff   bool // stop quietly at the limit, and at what is nested too deep
	full     bool
	replacer builtin
	names    []string // nil: all
	indent   string
	open     []*goja.Object
}

// stringify is JSON.stringify.
func (s *sandbox) stringify(call goja.FunctionCall) goja.Value {
	s.enter()
	defer func() { s.depth-- }()
	w := jsonWriter{s: s, limit: maxResult}
	if replacer, ok := nativeOf(call.Argument(1)); ok {
		w.replacer = replacer
	} else if list, ok := call.Argument(1).(*goja.Object); ok && list.ClassName() == "Array" {
		w.names = s.propertyList(list)
	}
	switch space := call.Argument(2); {
	case goja.IsNumber(space):
		w.indent = strings.Repeat(" ", int(min(10, max(0, space.ToInteger()))))
	case goja.IsString(space):
		w.indent = space.String()
		if runes := []rune(w.indent); len(runes) > 10 {
			w.indent = string(runes[:10])
		}
	}
	holder := goja.Undefined()
	if w.replacer != nil {
		root := s.js.NewObject()
		s.define(root, "", call.Argument(0), true)
		holder = root
	}
	if !w.value(holder, "", call.Argument(0)) {
		return goja.Undefined()
	}
	return s.js.ToValue(string(w.text))
}

func (s *sandbox) propertyList(list *goja.Object) []string {
	length := list.Get("length").ToInteger()
	s.checkLength(length)
	names := make([]string, 0, min(length, 64))
	seen := make(map[string]struct{}, min(length, 64))
	for i := range length {
		s.checkStopped()
		value := list.Get(strconv.FormatInt(i, 10))
		if value == nil || !goja.IsString(value) && !goja.IsNumber(value) {
			continue
		}
		name := value.String()
		if _, again := seen[name]; !again {
			seen[name] = struct{}{}
			names = append(names, name)
		}
	}
	return names
}

// value writes a value; false means that it has no JSON, and nothing was written.
func (w *jsonWriter) value(holder goja.Value, name string, v goja.Value) bool {
	w.s.checkStopped()
	if w.full {
		return false
	}
	if o, ok := v.(*goja.Object); ok {
		if toJSON, ok := nativeOf(o.Get("toJSON")); ok {
			v = toJSON(goja.FunctionCall{This: o, Arguments: []goja.Value{w.s.js.ToValue(name)}})
		}
	}
	if w.replacer != nil {
		v = w.replacer(goja.FunctionCall{This: holder, Arguments: []goja.Value{w.s.js.ToValue(name), v}})
	}
	switch x := v.(type) {
	case nil, *goja.Symbol:
		return false
	case *goja.Object:
		return w.object(x)
	}
	switch {
	case goja.IsUndefined(v):
		return false
	case goja.IsString(v):
		w.quote(v.String())
	case goja.IsNaN(v) || goja.IsInfinity(v):
		w.write("null")
	default:
		w.write(v.String())
	}
	return true
}

func (w *jsonWriter) object(o *goja.Object) bool {
	switch o.ClassName() {
	case "Function":
		return false
	case "Boolean":
		w.write(strconv.FormatBool(o.Export() == true))
		return true
	case "Number":
		return w.value(goja.Undefined(), "", o.ToNumber())
	case "String":
		w.quote(o.String())
		return true
	}
	if slices.Contains(w.open, o) || len(w.open) >= maxDepth {
		if w.cutOff {
			w.write("…")
			return true
		}
		panic(w.s.js.NewTypeError("JSON of an object that contains itself, or is nested more than %d levels deep", maxDepth))
	}
	w.open = append(w.open, o)
	if o.ClassName() == "Array" {
		w.array(o)
	} else {
		w.members(o)
	}
	w.open = w.open[:len(w.open)-1]
	return true
}

func (w *jsonWriter) array(o *goja.Object) {
	length := o.Get("length").ToInteger()
	w.s.checkLength(length)
	w.write("[")
	for i := range length {
		if w.full {
			return
		}
		if i > 0 {
			w.write(",")
		}
		w.newline()
		name := strconv.FormatInt(i, 10)
		if value := o.Get(name); !w.value(o, name, value) {
			w.write("null")
		}
	}
	w.closeWith("]", length > 0)
}

func (w *jsonWriter) members(o *goja.Object) {
	names := w.names
	if names == nil {
		names = o.Keys()
	}
	w.write("{")
	some := false
	for _, name := range names {
		if w.full {
			return
		}
		before := len(w.text)
		if some {
			w.write(",")
		}
		w.newline()
		w.quote(name)
		w.write(":")
		if w.indent != "" {
			w.write(" ")
		}
		if value := o.Get(name); value == nil || !w.value(o, name, value) {
			w.text = w.text[:min(before, len(w.text))]
			continue
		}
		some = true
	}
	w.closeWith("}", some)
}

func (w *jsonWriter) newline() {
	if w.indent != "" {
		w.write("\n")
		w.write(strings.Repeat(w.indent, len(w.open)))
	}
}

func (w *jsonWriter) closeWith(bracket string, some bool) {
	if some && w.indent != "" {
		w.write("\n")
		w.write(strings.Repeat(w.indent, len(w.open)-1))
	}
	w.write(bracket)
}

func (w *jsonWriter) write(text string) {
	if w.full {
		return
	}
	if len(w.text)+len(text) > w.limit {
		if !w.cutOff {
			w.s.checkResult(maxResult + 1)
		}
		w.full = true
		return
	}
	w.text = append(w.text, text...)
}

// quote writes a string. Of control characters those with a short escape have it.
func (w *jsonWriter) quote(text string) {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		w.write(`"`)
		w.write(text)
		w.write(`"`)
		return
	}
	const hex = "0123456789abcdef"
	quoted := make([]byte, 0, len(text)+16)
	quoted = append(quoted, '"')
	for _, c := range []byte(text) {
		switch {
		case c == '"' || c == '\\':
			quoted = append(quoted, '\\', c)
		case c == '\b':
			quoted = append(quoted, '\\', 'b')
		case c == '\f':
			quoted = append(quoted, '\\', 'f')
		case c == '\n':
			quoted = append(quoted, '\\', 'n')
		case c == '\r':
			quoted = append(quoted, '\\', 'r')
		case c == '\t':
			quoted = append(quoted, '\\', 't')
		case c < ' ':
			quoted = append(quoted, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			quoted = append(quoted, c)
		}
	}
	w.write(string(append(quoted, '"')))
}
