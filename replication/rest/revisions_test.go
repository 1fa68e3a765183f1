package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// Who may write a document may give it as many revisions as they like, each as large as a document may be, and
// ask for all of them at once: they do not have to fit into memory. Not parallel: it measures that of the process.
func TestManyLargeRevisionsAreNotHeldAtOnce(t *testing.T) {
	if raced {
		t.Skip("it would take long, and more memory")
	}
	const leaves, size = 80, 1 << 20
	store, db := badgerStore(t)
	s := newSite(t, func(c *Config, _ *fakeAuth) { c.Store = store })
	body := []byte(`{"a":"` + strings.Repeat("x", size) + `"}`)
	var branches, line []string
	var last syncstore.Rev
	for i := range leaves {
		branch := fmt.Sprintf("1-%02d", i)
		branches = append(branches, `"`+branch+`"`)
		edit := replicated("branched", false, branch)
		edit.Body = body
		last = writeEdits(t, db, edit, syncstore.Edit{ID: "line", Parent: last, Body: body})[1]
		line = append(line, `"`+last.String()+`"`)
	}
	again := "[" + strings.Repeat(branches[0]+",", 10*leaves) + branches[1] + "]"
	for name, c := range map[string]struct {
		scenario
		bodies int
	}{
		"all leaves":          {scenario{path: "/notes/branched?open_revs=all"}, leaves},
		"all leaves in parts": {scenario{path: "/notes/branched?open_revs=all&revs=true", header: map[string]string{"Accept": "multipart/mixed"}}, leaves},
		"named":               {scenario{path: "/notes/branched?open_revs=[" + strings.Join(branches, ",") + "]"}, leaves},
		"one again and again": {scenario{path: "/notes/branched?open_revs=" + again}, 2},
		"superseded":          {scenario{path: "/notes/line?open_revs=[" + strings.Join(line, ",") + "]"}, leaves},
		"latest":              {scenario{path: `/notes/branched?latest=true&open_revs=[` + strings.Join(branches, ",") + "]"}, leaves},
		"in bulk":             {scenario{method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"branched"}]}`}, leaves},
		"in bulk and parts": {scenario{
			method: http.MethodPost, path: "/notes/_bulk_get?revs=true", body: `{"docs":[{"id":"branched"}]}`, header: map[string]string{"Accept": "multipart/mixed"},
		}, leaves},
		"what is there":    {scenario{path: "/notes/line?revs_info=true"}, 1},
		"of a few by name": {scenario{method: http.MethodPost, path: "/notes/_changes", body: `{"doc_ids":["branched"]}`}, 0},
	} {
		answer := &countingAnswer{header: http.Header{}}
		peak := peakMemory(t, func() { s.ServeHTTP(answer, s.request(c.scenario), http.NotFoundHandler()) })
		require.Equal(t, http.StatusOK, answer.status, name)
		require.InDelta(t, c.bodies*size, answer.written, size/2, name)
		require.Less(t, peak, int64(leaves*size/2), name)
	}
}

// Likewise for somebody's local documents. Not parallel: it measures the memory of the process.
func TestManyLargeLocalDocumentsAreNotHeldAtOnce(t *testing.T) {
	if raced {
		t.Skip("it would take long, and more memory")
	}
	const docs, size = 80, 1 << 20
	store, db := badgerStore(t)
	s := newSite(t, func(c *Config, _ *fakeAuth) { c.Store = store })
	body := []byte(`{"a":"` + strings.Repeat("x", size) + `"}`)
	for i := range docs {
		_, err := db.Default().PutLocal(t.Context(), "alice", fmt.Sprintf("%02d", i), "", body)
		require.NoError(t, err)
	}
	for path, bodies := range map[string]int{
		"/notes/_local_docs": 0, "/notes/_local_docs?include_docs=true": docs, "/notes/_local_docs?include_docs=true&descending=true&skip=1": docs - 1,
	} {
		answer := &countingAnswer{header: http.Header{}}
		peak := peakMemory(t, func() { s.ServeHTTP(answer, s.request(scenario{path: path}), http.NotFoundHandler()) })
		require.Equal(t, http.StatusOK, answer.status, path)
		require.InDelta(t, bodies*size, answer.written, size/2, path)
		require.Less(t, peak, int64(docs*size/2), path)
	}
}

func TestRevisionsAreAnsweredWhereThereIsRoomForFew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	large := strings.Repeat("x", revsAtOnce)
	for _, rev := range []string{"1-a", "1-b", "1-c"} {
		edit := replicated("a", false, rev)
		edit.Body = []byte(`{"v":"` + rev + `","x":"` + large + `"}`)
		writeEdits(t, s.db, edit)
	}
	s.runAll([]scenario{
		{path: "/notes/a?open_revs=all&revs=true", has: []string{
			`[{"ok":{"_id":"a","_rev":"1-c","_revisions":{"start":1,"ids":["c"]},"v":"1-c"`, `{"ok":{"_id":"a","_rev":"1-b","_revisions"`, `{"ok":{"_id":"a","_rev":"1-a","_revisions"`,
		}},
		{path: `/notes/a?open_revs=["1-a","9-z","1-b","1-a"]`, has: []string{`[{"ok":{"_id":"a","_rev":"1-a","v":"1-a"`, `},{"missing":"9-z"},{"ok":{"_id":"a","_rev":"1-b","v":"1-b"`, `"}}]`}},
		{method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"a"}]}`, has: []string{`{"ok":{"_id":"a","_rev":"1-c"`, `{"ok":{"_id":"a","_rev":"1-b"`, `{"ok":{"_id":"a","_rev":"1-a"`}, hasNot: []string{"error"}},
	})
}

// countingAnswer counts what is written.
type countingAnswer struct {
	header  http.Header
	status  int
	written int
}

func (a *countingAnswer) Header() http.Header  { return a.header }
func (a *countingAnswer) WriteHeader(code int) { a.status = code }
func (a *countingAnswer) Write(p []byte) (int, error) {
	if a.written += len(p); a.status == 0 {
		a.status = http.StatusOK
	}
	return len(p), nil
}

// peakMemory is by how much the heap grows at most while do runs, as collections of garbage find it, which come often.
func peakMemory(t *testing.T, do func()) int64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	live := func() int64 {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before := live()
	var peak atomic.Int64
	var stopped atomic.Bool
	var watch func()
	watch = func() { // each collection finds the sentinel of the one before
		runtime.AddCleanup(new(httptest.ResponseRecorder), func(struct{}) {
			peak.Store(max(peak.Load(), live()-before))
			if !stopped.Load() {
				watch()
			}
		}, struct{}{})
	}
	watch()
	do()
	stopped.Store(true)
	runtime.GC()
	return peak.Load()
}
