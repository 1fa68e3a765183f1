package rest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/test/apidoc"
	"github.com/stretchr/testify/require"
)

// apiBook is docs/api.yaml by what the router makes of its paths, and what tests were
// answered.
type apiBook struct {
	*apidoc.API
	record *apidoc.Record
	// operations by kind and method; others are the statuses of what is no endpoint.
	operations map[kind]map[string][]*apidoc.Operation
	others     map[kind]map[string][]int
}

var described = sync.OnceValue(func() *apiBook {
	api, err := apidoc.Load("../../docs/api.yaml")
	if err != nil {
		panic(err)
	}
	b := &apiBook{
		API: api, record: apidoc.NewRecord(api, "rest"),
		operations: map[kind]map[string][]*apidoc.Operation{}, others: map[kind]map[string][]int{},
	}
	for _, o := range api.Operations {
		k := kindOn(o.Admin, o.Samples[0])
		if b.operations[k] == nil {
			b.operations[k] = map[string][]*apidoc.Operation{}
		}
		b.operations[k][o.Method] = append(b.operations[k][o.Method], o)
	}
	for path, methods := range api.Others {
		b.others[kindOn(true, path)] = methods
	}
	return b
})

// kindOn is what a path names on a site of the database notes.
func kindOn(admin bool, path string) kind {
	h := &Handler{names: map[string]struct{}{"notes": {}}}
	if admin {
		h.Site.Admin = &auth.AdminRule{}
	}
	to, ours := h.route(path)
	if !ours || to.err != nil {
		return kinds
	}
	return to.kind
}

// serveNoted lets a site answer a request, and notes what it was.
func serveNoted(h *Handler, w http.ResponseWriter, r *http.Request, next http.Handler) {
	seen := &seenWriter{ResponseWriter: w}
	passed := false
	defer func() {
		if !passed {
			described().note(h, r, seen)
		}
	}()
	h.ServeHTTP(seen, r, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		passed = true
		next.ServeHTTP(w, r)
	}))
}

// note records an answer under the operation that the request was of.
func (b *apiBook) note(h *Handler, r *http.Request, seen *seenWriter) {
	to, _ := h.route(r.URL.EscapedPath())
	if seen.answer.Status == 0 {
		return // the client went away before there was an answer
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	status := seen.answer.Status
	act, err := to.action(method)
	switch _, genuine := h.auth.(*auth.Service); {
	case method == http.MethodOptions:
		b.expect(r, status, http.StatusNoContent)
	case to.err != nil:
		b.expect(r, status, http.StatusBadRequest, http.StatusMethodNotAllowed)
	case err != nil || act.do == nil:
		b.expect(r, status, http.StatusMethodNotAllowed)
		b.allow(h, to.kind, seen.answer.Header.Get("Allow"))
	case b.others[to.kind] != nil:
		if !slices.Contains(b.others[to.kind][method], status) {
			b.record.Problem("x-other-paths: %s %s answered %d", method, r.URL.Path, status)
		}
	case to.kind == kindTry && status == http.StatusOK:
		// Who judges here is a fake; what access.Trial has is held against the description elsewhere.
		seen.answer.Partial = true
		b.record.Add(b.operation(to.kind, method, r.URL.EscapedPath()), &seen.answer)
	case !genuine && status == http.StatusOK && to.kind.judgesItself():
		// What a fake signs in is no answer of the server's.
	case b.operations[to.kind][method] == nil:
		b.record.Problem("%s %s is not described", method, r.URL.Path)
	default:
		b.record.Add(b.operation(to.kind, method, r.URL.EscapedPath()), &seen.answer)
	}
}

// operation is that of a kind; of several, the one with the path.
func (b *apiBook) operation(k kind, method, path string) *apidoc.Operation {
	all := b.operations[k][method]
	for _, o := range all {
		if o.Matches(path) {
			return o
		}
	}
	return all[0]
}

// judgesItself reports whether auth answers for a kind.
func (k kind) judgesItself() bool {
	return k.oidc() || k == kindSession || k == kindSessionHandle || k == kindRootSession || k == kindRootSessionHandle
}

func (b *apiBook) expect(r *http.Request, status int, wanted ...int) {
	if !slices.Contains(wanted, status) {
		b.record.Problem("%s %s answered %d, not one of %v", r.Method, r.URL.Path, status, wanted)
	}
}

// allow holds an Allow header against the methods that are described.
func (b *apiBook) allow(h *Handler, k kind, header string) {
	if b.others[k] != nil || k == kindRootUnknown {
		return
	}
	want := []string{http.MethodOptions}
	for method := range b.operations[k] {
		if want = append(want, method); method == http.MethodGet {
			want = append(want, http.MethodHead)
		}
	}
	given := strings.Split(header, ", ")
	slices.Sort(given)
	slices.Sort(want)
	if !slices.Equal(given, want) {
		b.record.Problem("Allow is %v where %v are described", given, want)
	}
}

// seenWriter sees what is answered.
type seenWriter struct {
	http.ResponseWriter
	answer apidoc.Answer
}

// keptBody is how much of a body is looked at, in bytes.
const keptBody = 1 << 18

func (w *seenWriter) WriteHeader(status int) {
	if w.answer.Status == 0 {
		w.answer.Status, w.answer.Header = status, w.Header().Clone()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(p []byte) (int, error) {
	if w.answer.Status == 0 {
		w.answer.Status, w.answer.Header = http.StatusOK, w.Header().Clone()
	}
	if len(w.answer.Body)+len(p) > keptBody {
		w.answer.Partial = true
	} else {
		w.answer.Body = append(w.answer.Body, p...)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Every method of every path that the router knows is described, and the other way round.
func TestAPIDescribesEveryRoute(t *testing.T) {
	t.Parallel()
	b := described()
	for k := range kinds {
		if k == kindRootUnknown || b.others[k] != nil {
			continue
		}
		require.NotEmpty(t, b.operations[k], "kind %d is not described, or its methods are x-other-paths", k)
		all := table(k)
		for method, a := range map[string]action{"GET": all.get, "PUT": all.put, "POST": all.post, "DELETE": all.delete, "COPY": all.copy} {
			require.Equal(t, a.do != nil, b.operations[k][method] != nil, "%s of %v", method, b.operations[k])
		}
	}
	for _, o := range b.Operations {
		for _, sample := range o.Samples {
			require.NotContains(t, sample, "{", "%s: a parameter has no example", o)
			for _, admin := range []bool{false, true} {
				if admin && !o.Admin || !admin && !o.Public {
					continue
				}
				k := kindOn(admin, sample)
				require.Contains(t, b.operations[k][o.Method], o, "%s: %s is another kind (%d)", o, sample, k)
				if strings.Contains(o.Path, "{") && o.Path != "/{keyspace}" && !strings.HasPrefix(o.Path, "/_") {
					require.Equal(t, k.ofDatabase(o.Method), strings.HasPrefix(o.Path, "/{db}"), "%s: is it of a database or of a collection?", o)
				}
			}
		}
	}
}
