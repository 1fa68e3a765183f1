package script

import (
	"strings"

	"github.com/dop251/goja"
)

const (
	maxLogLine  = 1024 // bytes
	maxLogLines = 100
)

// log collects what the script says.
type log struct {
	lines []string
}

func (l *log) add(line string) {
	switch {
	case len(l.lines) < maxLogLines:
		l.lines = append(l.lines, cut(line, maxLogLine))
	case len(l.lines) == maxLogLines:
		l.lines = append(l.lines, "(more lines were dropped)")
	}
}

// console makes the object console. Its methods differ in name only.
func (s *sandbox) console() *goja.Object {
	console := s.js.NewObject()
	for _, name := range []string{"log", "error", "warn", "info", "debug"} {
		s.define(console, name, s.native(name, func(call goja.FunctionCall) goja.Value {
			s.checkStopped()
			if len(s.log.lines) > maxLogLines {
				return goja.Undefined()
			}
			var line strings.Builder
			for i, arg := range call.Arguments {
				if i > 0 {
					line.WriteByte(' ')
				}
				line.WriteString(s.show(arg))
				if line.Len() > maxLogLine {
					break
				}
			}
			s.log.add(line.String())
			return goja.Undefined()
		}), true)
	}
	return console
}

// show returns a value as the log shows it: objects as JSON.
func (s *sandbox) show(v goja.Value) string {
	if o, ok := v.(*goja.Object); ok && (o.ClassName() == "Object" || o.ClassName() == "Array") {
		w := jsonWriter{s: s, limit: 2 * maxLogLine, cutOff: true}
		if w.value(goja.Undefined(), "", v) || w.full {
			return string(w.text)
		}
	}
	if symbol, ok := v.(*goja.Symbol); ok {
		return "Symbol(" + symbol.String() + ")"
	}
	return v.String()
}
