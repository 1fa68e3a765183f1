package script

import (
	"math/big"
	"reflect"

	"github.com/dop251/goja/ast"
)

// copyGuard is the name of the function that copies are guarded with. No script can
// write it.
const copyGuard = "copy guard"

// walker looks at all of a parsed function.
type walker struct {
	bigInt *ast.NumberLiteral // the first one
}

// walk changes and notes what can not be guarded by replacing built-in functions:
//
// It finds BigInt literals. One operation on big integers can take any time and memory,
// and nothing interrupts it.
//
// It guards what {...x} and {...rest} = x copy, which is done in one step: a text's
// characters are its members, and copying a million of them takes seconds.
func (w *walker) walk(node reflect.Value) {
	switch node.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !node.IsNil() {
			w.visit(node.Interface())
			w.walk(node.Elem())
		}
	case reflect.Struct:
		for i := range node.NumField() {
			if node.Type().Field(i).IsExported() {
				w.walk(node.Field(i))
			}
		}
	case reflect.Slice:
		for i := range node.Len() {
			w.walk(node.Index(i))
		}
	}
}

func (w *walker) visit(node any) {
	switch node := node.(type) {
	case *ast.NumberLiteral:
		if _, is := node.Value.(*big.Int); is && w.bigInt == nil {
			w.bigInt = node
		}
	case *ast.ObjectLiteral:
		for _, property := range node.Value {
			if spread, ok := property.(*ast.SpreadElement); ok {
				spread.Expression = guarded(spread.Expression)
			}
		}
	case *ast.Binding:
		if copies(node.Target) && node.Initializer != nil {
			node.Initializer = guarded(node.Initializer)
		}
	case *ast.AssignExpression:
		if copies(node.Left) {
			node.Right = guarded(node.Right)
		}
	}
}

// copies reports whether a target takes the rest of an object.
func copies(target ast.Expression) bool {
	pattern, ok := target.(*ast.ObjectPattern)
	return ok && pattern.Rest != nil
}

// guarded wraps an expression, once: what is reached by two ways is visited twice.
func guarded(e ast.Expression) ast.Expression {
	if call, ok := e.(*ast.CallExpression); ok {
		if callee, ok := call.Callee.(*ast.Identifier); ok && callee.Name == copyGuard {
			return e
		}
	}
	return &ast.CallExpression{
		Callee:          &ast.Identifier{Name: copyGuard, Idx: e.Idx0()},
		LeftParenthesis: e.Idx0(), ArgumentList: []ast.Expression{e}, RightParenthesis: e.Idx1(),
	}
}
