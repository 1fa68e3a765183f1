package rest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// source is this package's code: which of its functions uses which others, and which
// parameters each reads of the query and of a body with options.
type source struct {
	uses     map[string][]string
	query    map[string][]string
	options  map[string][]string // those that a JSON body may have as well
	words    map[string][]string // by function
	position token.FileSet
}

// readers are the methods that read a parameter of the query by its name, by their receiver.
var readers = map[string][]string{
	"request": {"flag", "flags"},
	"params":  {"text", "raw", "rawKey", "flag", "flagOr", "flags", "count", "strings"},
}

// readSource type-checks the package without its imports: methods of its own types are found
// all the same, and that is what is asked for.
func readSource(t *testing.T) *source {
	t.Helper()
	s := &source{uses: map[string][]string{}, query: map[string][]string{}, options: map[string][]string{}, words: map[string][]string{}}
	packages, err := parser.ParseDir(&s.position, ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // build tags do not matter here
	require.NoError(t, err)
	var files []*ast.File
	for _, file := range packages["rest"].Files {
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	checker := types.Config{Error: func(error) {}, Importer: noImports{}, FakeImportC: true}
	_, _ = checker.Check("rest", &s.position, files, info)
	for _, file := range files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				s.read(f, info)
			}
		}
	}
	return s
}

type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, path[strings.LastIndexByte(path, '/')+1:])
	p.MarkComplete()
	return p, nil
}

// nameOf is a function as runtime names it: "(*Handler).root", "parseDocOptions".
func nameOf(f *types.Func) string {
	receiver := f.Signature().Recv()
	if receiver == nil {
		return f.Name()
	}
	return "(" + types.TypeString(receiver.Type(), func(*types.Package) string { return "" }) + ")." + f.Name()
}

func (s *source) read(f *ast.FuncDecl, info *types.Info) {
	function, ok := info.Defs[f.Name].(*types.Func)
	if !ok {
		return
	}
	name := nameOf(function)
	s.words[name] = wordsOf(f)
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if used, ok := info.Uses[n].(*types.Func); ok {
				s.uses[name] = append(s.uses[name], nameOf(used))
			}
		case *ast.CallExpr:
			s.call(name, n, info)
		}
		return true
	})
}

// call notes the parameters that a call reads.
func (s *source) call(in string, call *ast.CallExpr, info *types.Info) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	if inner, ok := method.X.(*ast.SelectorExpr); ok && inner.Sel.Name == "query" && slices.Contains([]string{"Get", "Has"}, method.Sel.Name) {
		s.query[in] = append(s.query[in], literals(call.Args)...)
		return
	}
	used, ok := info.Uses[method.Sel].(*types.Func)
	if !ok || used.Signature().Recv() == nil {
		return
	}
	receiver, _, _ := strings.Cut(strings.TrimLeft(nameOf(used), "(*"), ")")
	switch {
	case !slices.Contains(readers[receiver], used.Name()):
	case receiver == "request":
		s.query[in] = append(s.query[in], literals(call.Args)...)
	default:
		names := literals(call.Args)
		if len(names) == 0 && !strings.HasPrefix(in, "(params)") { // variables: all names in the function are meant
			names = s.words[in]
		}
		s.options[in] = append(s.options[in], names...)
	}
}

// option is what the name of an option looks like.
var option = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// wordsOf are the strings in a function that look like names of options.
func wordsOf(f *ast.FuncDecl) []string {
	var words []string
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if name, err := strconv.Unquote(l.Value); err == nil && option.MatchString(name) {
				words = append(words, name)
			}
		}
		return true
	})
	return words
}

// literals are the names in a call's arguments: strings, and the keys of a map of flags.
func literals(arguments []ast.Expr) []string {
	var names []string
	for _, a := range arguments {
		switch a := a.(type) {
		case *ast.BasicLit:
			if name, err := strconv.Unquote(a.Value); err == nil {
				names = append(names, name)
			}
		case *ast.CompositeLit:
			for _, e := range a.Elts {
				if pair, ok := e.(*ast.KeyValueExpr); ok {
					names = append(names, literals([]ast.Expr{pair.Key})...)
				}
			}
		}
	}
	return names
}

// reached are the parameters that are read by a function and by all that it uses.
func (s *source) reached(from string) (query, options []string) {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		query, options = append(query, s.query[name]...), append(options, s.options[name]...)
		for _, used := range s.uses[name] {
			visit(used)
		}
	}
	visit(from)
	return sorted(append(query, options...)), sorted(options)
}

func sorted(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// The code reads the parameters that are described, and no others; where it takes options
// from a body too, the body is described with the same names.
func TestAPIDescribesEveryParameter(t *testing.T) {
	t.Parallel()
	s := readSource(t)
	for _, o := range described().Operations {
		k := kindOn(o.Admin, o.Samples[0])
		act, err := target{kind: k}.action(o.Method)
		require.NoError(t, err)
		if k.judgesItself() {
			continue // tested in auth
		}
		endpoint := runtime.FuncForPC(reflect.ValueOf(act.do).Pointer()).Name()
		endpoint = endpoint[strings.LastIndexByte(endpoint, '/')+1:]
		endpoint = strings.TrimPrefix(endpoint, "rest.")
		require.NotEmpty(t, s.uses[endpoint], "the code of %s", endpoint)
		query, options := s.reached(endpoint)
		require.Equal(t, query, sorted(append(slices.Clone(o.Query), o.Ignored...)), "%s: parameters that the code of %s reads, and those that are described", o, endpoint)
		options = slices.DeleteFunc(options, func(name string) bool { return slices.Contains(o.Ignored, name) })
		if len(options) > 0 && o.Method == http.MethodPost {
			require.Equal(t, options, sorted(o.Body), "%s: options that the code of %s reads, and those of the described body", o, endpoint)
		}
	}
}
