package auth

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The parameters of the endpoints that this package answers are described, and no others:
// those that it takes out of queries, forms and JSON, as a whole.
func TestAPIDescribesEveryParameter(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, o := range described().Operations {
		if strings.Contains(o.Path, "/_session") || strings.Contains(o.Path, "/_oidc") {
			for _, name := range slices.Concat(o.Query, o.Body, o.Form) {
				want[name] = true
			}
		}
	}
	for _, name := range []string{"name", "password", "ttl"} {
		delete(want, name) // members of JSON that readLogin and readSessionRequest know
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(namesRead(t))))
}

// namesRead are the names that the code asks values for: x.Get("name"), x.Has("name") and
// params["name"], and those that login passes on.
func namesRead(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, name := range passedOn {
		names[name] = true
	}
	packages, err := parser.ParseDir(gotoken.NewFileSet(), ".", func(f fs.FileInfo) bool { //nolint:staticcheck // build tags do not matter here
		return !strings.HasSuffix(f.Name(), "_test.go")
	}, 0)
	require.NoError(t, err)
	for _, file := range packages["auth"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := nameRead(n); ok {
				names[name] = true
			}
			return true
		})
	}
	return names
}

func nameRead(n ast.Node) (string, bool) {
	var key ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || len(n.Args) != 1 || method.Sel.Name != "Get" && method.Sel.Name != "Has" {
			return "", false
		}
		key = n.Args[0]
	case *ast.IndexExpr:
		if of, ok := n.X.(*ast.Ident); !ok || of.Name != "params" {
			return "", false
		}
		key = n.Index
	}
	text, ok := key.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	name, err := strconv.Unquote(text.Value)
	return name, err == nil && name == strings.ToLower(name) // others are headers
}
