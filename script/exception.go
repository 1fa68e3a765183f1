package script

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
)

const (
	maxMessage = 1024 // bytes of an exception's text
	maxMembers = 8
	maxStack   = 10 // calls
)

// exception describes a thrown value. Looking at it may run the script's code, such as
// getters and toString, which is why it is done while the call is still watched.
func (s *sandbox) exception(thrown goja.Value, stack []goja.StackFrame) *ThrownError {
	e := &ThrownError{}
	if thrown == nil {
		thrown = goja.Undefined()
	}
	if ex := s.js.Try(func() { e.Message = cut(describe(thrown), maxMessage) }); ex != nil {
		e.Message = "a value that can not be shown"
	}
	if o, ok := thrown.(*goja.Object); ok {
		_ = s.js.Try(func() { e.Members = members(o) }) // a getter threw: then it has no members
	}
	for _, frame := range stack[:min(len(stack), maxStack)] {
		position := withoutPrefix(frame.SrcName(), frame.Position())
		name := frame.FuncName()
		if name == "" {
			name = "function"
		}
		if position.Line == 0 || frame.SrcName() == preludeName {
			continue
		}
		e.Stack = append(e.Stack, fmt.Sprintf("%s (%s:%d:%d)", name, frame.SrcName(), position.Line, position.Column))
	}
	return e
}

// describe returns a value as a text that helps to find it.
func describe(v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Object" {
		return v.String()
	}
	var text strings.Builder
	for i, name := range o.Keys() {
		if i == maxMembers {
			text.WriteString(", …")
			break
		}
		if i > 0 {
			text.WriteString(", ")
		}
		member := "…"
		if value := o.Get(name); value != nil {
			if _, nested := value.(*goja.Object); !nested {
				member = value.String()
			}
		}
		fmt.Fprintf(&text, "%s: %s", cut(name, 64), cut(member, 256))
	}
	return "{" + text.String() + "}"
}

func members(o *goja.Object) map[string]string {
	members := make(map[string]string)
	for _, name := range o.Keys() {
		if len(members) == maxMembers {
			break
		}
		text := ""
		switch value := o.Get(name); value.(type) {
		case nil, *goja.Object, *goja.Symbol:
		default:
			if !goja.IsNull(value) && !goja.IsUndefined(value) {
				text = cut(value.String(), maxMessage)
			}
		}
		members[cut(name, maxMessage)] = text
	}
	return members
}

// cut shortens a text to at most limit bytes, and makes it valid UTF-8.
func cut(text string, limit int) string {
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
