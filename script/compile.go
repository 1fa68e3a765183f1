package script

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
)

// prefix stands before the text when it is parsed, because a function without a name is
// an expression and not a statement. Positions in the first line are moved back by it.
const prefix = "_="

// maxSource is the longest text of a function, in bytes. The parser recurses, so that
// nesting is bounded by it.
const maxSource = 128 << 10

// compile parses a text that must be one function.
func compile(name, source string) (*goja.Program, error) {
	parsed, err := parse(name, source)
	if err != nil {
		return nil, err
	}
	function, mistake := onlyFunction(parsed)
	if mistake != "" {
		return nil, &SyntaxError{File: name, Line: 1, Column: 1, Message: mistake}
	}
	return compileFunction(name, parsed, function)
}

func parse(name, source string) (*ast.Program, error) {
	if len(source) > maxSource {
		return nil, &SyntaxError{File: name, Message: fmt.Sprintf("the text is longer than %d KiB", maxSource>>10)}
	}
	// Without the option, a comment "sourceMappingURL" would read a file of the host.
	parsed, err := parser.ParseFile(nil, name, prefix+source, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	return parsed, nil
}

// compileFunction compiles a function of what was parsed, and nothing else of it.
func compileFunction(name string, parsed *ast.Program, function ast.Expression) (*goja.Program, error) {
	w := walker{}
	w.walk(reflect.ValueOf(function))
	if w.bigInt != nil {
		position := parsed.File.Position(int(w.bigInt.Idx) - parsed.File.Base())
		return nil, errorIn(name, position, "BigInt is not supported; use a number")
	}
	parsed.Body = []ast.Statement{&ast.ExpressionStatement{Expression: function}}
	program, err := goja.CompileAST(parsed, false)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	return program, nil
}

// onlyFunction returns the function that the text consists of, or what is wrong.
func onlyFunction(parsed *ast.Program) (ast.Expression, string) {
	const expected = "expected one function, such as: function (doc, oldDoc, meta) { … }"
	var function ast.Expression
	for _, statement := range parsed.Body {
		if _, empty := statement.(*ast.EmptyStatement); empty {
			continue
		}
		expression, ok := statement.(*ast.ExpressionStatement)
		if !ok || function != nil {
			return nil, expected + "; helper functions belong inside it"
		}
		assign, ok := expression.Expression.(*ast.AssignExpression)
		if !ok {
			return nil, expected
		}
		function = assign.Right
	}
	switch f := function.(type) {
	case *ast.FunctionLiteral:
		if f.Async || f.Generator {
			return nil, "the function must not be async or a generator: its result is needed when it returns"
		}
	case *ast.ArrowFunctionLiteral:
		if f.Async {
			return nil, "the function must not be async: its result is needed when it returns"
		}
	default:
		return nil, expected
	}
	return function, ""
}

func syntaxError(name string, err error) error {
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		return errorIn(name, list[0].Position, list[0].Message)
	}
	var compiler *goja.CompilerSyntaxError
	if errors.As(err, &compiler) && compiler.File != nil {
		return errorIn(name, compiler.File.Position(compiler.Offset), compiler.Message)
	}
	return &SyntaxError{File: name, Message: err.Error()}
}

// errorIn makes an error at a position of the text with its prefix.
func errorIn(name string, position file.Position, message string) *SyntaxError {
	position = withoutPrefix(name, position)
	return &SyntaxError{File: name, Line: position.Line, Column: position.Column, Message: message}
}

func withoutPrefix(name string, position file.Position) file.Position {
	if position.Line != 1 {
		return position
	}
	before := len(prefix)
	if strings.Contains(name, moduleMark) {
		before += len(moduleBegin)
	}
	position.Column = max(1, position.Column-before)
	return position
}
