package script

import (
	"strings"

	"github.com/dop251/goja"
)

// guardStrings bounds the functions of strings by the text's length.
func (s *sandbox) guardStrings() {
	prototype := s.prototype("String")
	// text guards a function that takes many times the size of its text.
	text := func(limit int, more func(this goja.String, args []goja.Value)) func(builtin) builtin {
		return func(original builtin) builtin {
			return func(call goja.FunctionCall) goja.Value {
				s.enter()
				defer func() { s.depth-- }()
				if goja.IsUndefined(call.This) || goja.IsNull(call.This) {
					return original(call) // which says so
				}
				this := s.toText(call.This)
				s.checkText(this, limit)
				// The arguments are converted once and here, so that they are what is checked.
				args := append([]goja.Value(nil), call.Arguments...)
				if more != nil {
					more(this, args)
				}
				return original(goja.FunctionCall{This: this, Arguments: args})
			}
		}
	}
	for _, name := range []string{"match", "matchAll", "search"} {
		s.wrap(prototype, name, text(maxRegexpText, func(_ goja.String, args []goja.Value) { s.patternArgument(args) }))
	}
	s.wrap(prototype, "split", text(maxText, func(_ goja.String, args []goja.Value) { s.textArgument(args, 0) }))
	s.wrap(prototype, "normalize", text(maxText, nil))
	s.wrapSymbol(prototype, goja.SymIterator, "[Symbol.iterator]", text(maxText, nil))
	for _, name := range []string{"replace", "replaceAll"} {
		s.wrap(prototype, name, text(maxText, s.replacementArguments))
	}
	s.wrap(prototype, "repeat", text(maxResult, func(this goja.String, args []goja.Value) {
		if count := s.integerArgument(args, 0); count > 0 && this.Length() > 0 && count > int64(maxResult/this.Length()) {
			s.checkResult(maxResult + 1)
		}
	}))
	for _, name := range []string{"padStart", "padEnd"} {
		s.wrap(prototype, name, text(maxResult, func(_ goja.String, args []goja.Value) {
			if s.integerArgument(args, 0) > maxResult {
				s.checkResult(maxResult + 1)
			}
		}))
	}
	s.wrap(prototype, "concat", text(maxResult, func(this goja.String, args []goja.Value) {
		size := this.Length()
		for i, arg := range args {
			part := s.toText(arg)
			args[i] = part
			size += part.Length()
			s.checkResult(size)
		}
	}))
	for _, name := range []string{"encodeURI", "encodeURIComponent", "decodeURI", "decodeURIComponent", "escape", "unescape"} {
		s.wrap(s.globals, name, func(original builtin) builtin {
			return func(call goja.FunctionCall) goja.Value {
				s.checkStopped()
				text := s.toText(call.Argument(0))
				s.checkText(text, maxText)
				return original(goja.FunctionCall{This: call.This, Arguments: []goja.Value{text}})
			}
		})
	}
}

// patternArgument bounds a string that will become a regular expression.
func (s *sandbox) patternArgument(args []goja.Value) {
	if len(args) == 0 || goja.IsUndefined(args[0]) {
		return
	}
	if _, object := args[0].(*goja.Object); !object {
		args[0] = s.toText(args[0])
		s.checkPattern(args[0])
	}
}

// textArgument converts an argument that is no object to a string.
func (s *sandbox) textArgument(args []goja.Value, at int) {
	if len(args) <= at || goja.IsUndefined(args[at]) || goja.IsNull(args[at]) {
		return
	}
	if _, object := args[at].(*goja.Object); !object {
		args[at] = s.toText(args[at])
	}
}

func (s *sandbox) integerArgument(args []goja.Value, at int) int64 {
	if len(args) <= at {
		return 0
	}
	args[at] = args[at].ToNumber()
	return args[at].ToInteger()
}

// replacementArguments bounds what replace and replaceAll can make.
func (s *sandbox) replacementArguments(this goja.String, args []goja.Value) {
	if len(args) < 2 {
		return
	}
	_, regexp := args[0].(*goja.Object)
	if regexp {
		s.checkText(this, maxRegexpText)
	}
	if _, ok := goja.AssertFunction(args[1]); ok {
		return
	}
	args[1] = s.toText(args[1])
	s.checkReplacement(this.Length(), args[1].String(), regexp)
}

// checkReplacement refuses a replacement that could make more than maxResult of a text:
// each of its units may be a match, and each "$" may insert what was matched, or with
// some the rest of the text. A look-ahead can capture the rest as well.
func (s *sandbox) checkReplacement(length int, replacement string, regexp bool) {
	dollars := strings.Count(replacement, "$")
	size := length + (length+1)*len(replacement) + dollars*length
	if dollars > 0 && (regexp || quadratic(replacement)) {
		// Captures overlap rarely; allow them a hundred times the text.
		size += dollars * length * min(length, 100)
		if quadratic(replacement) {
			size += dollars * length * length
		}
	}
	s.checkResult(size)
}

// guardRegExps bounds the text that regular expressions are matched with. That exec is
// not the interpreter's own any more has the effect that the other functions call it for
// each single match, and so can be interrupted in between.
func (s *sandbox) guardRegExps() {
	prototype := s.prototype("RegExp")
	guard := func(replaces bool) func(builtin) builtin {
		return func(original builtin) builtin {
			return func(call goja.FunctionCall) goja.Value {
				s.enter()
				defer func() { s.depth-- }()
				args := append([]goja.Value(nil), call.Arguments...)
				if len(args) == 0 {
					args = append(args, goja.Undefined())
				}
				text := s.toText(args[0])
				s.checkText(text, maxRegexpText)
				args[0] = text
				if replaces && len(args) > 1 {
					if _, ok := goja.AssertFunction(args[1]); !ok {
						args[1] = s.toText(args[1])
						s.checkReplacement(text.Length(), args[1].String(), true)
					}
				}
				return original(goja.FunctionCall{This: call.This, Arguments: args})
			}
		}
	}
	for _, name := range []string{"exec", "test"} {
		s.wrap(prototype, name, func(original builtin) builtin { return guard(false)(s.matching(original)) })
	}
	// compile would change an expression that others may hold, and checks no length.
	if err := prototype.Delete("compile"); err != nil {
		panic(err)
	}
	s.wrapSymbol(prototype, goja.SymMatch, "[Symbol.match]", guard(false))
	s.wrapSymbol(prototype, goja.SymMatchAll, "[Symbol.matchAll]", guard(false))
	s.wrapSymbol(prototype, goja.SymSearch, "[Symbol.search]", guard(false))
	s.wrapSymbol(prototype, goja.SymSplit, "[Symbol.split]", guard(false))
	s.wrapSymbol(prototype, goja.SymReplace, "[Symbol.replace]", guard(true))
}
