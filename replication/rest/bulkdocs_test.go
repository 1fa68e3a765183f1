package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func bulkScenario(name, body string, status int, has ...string) scenario {
	return scenario{name: name, method: http.MethodPost, path: "/notes/_bulk_docs", body: body, status: status, has: has}
}

func TestBulkDocs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("old", `{"v":1}`)
	w := s.run(bulkScenario("mixed", `{"docs":[{"_id":"new","v":1},{"_id":"old","v":2},{"v":3},{"_id":"old","_rev":"`+rev+`","v":4},
		{"_id":"_local/l","v":5},{"_id":"stub","_attachments":{"a":{"stub":true}}},{"_id":"in","_attachments":{"a":{"data":"b25l"}}}]}`, 201))
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &rows))
	require.Len(t, rows, 7)
	require.Equal(t, map[string]any{"ok": true, "id": "new", "rev": rows[0]["rev"]}, rows[0])
	require.Equal(t, map[string]any{"id": "old", "error": "conflict", "reason": "Document update conflict.", "status": 409.0}, rows[1])
	require.Regexp(t, `^[0-9a-f]{32}$`, rows[2]["id"])
	require.Equal(t, true, rows[3]["ok"])
	require.Equal(t, "0-1", rows[4]["rev"])
	require.Equal(t, "missing_stub", rows[5]["error"])
	require.Equal(t, true, rows[6]["ok"])
	s.runAll([]scenario{
		{path: "/notes/old", has: []string{`"v":4`}},
		{path: "/notes/_local/l", has: []string{`"v":5`}},
		{path: "/notes/in/a", has: []string{"one"}},
		bulkScenario("nothing", `{"docs":[]}`, 201, `[]`),
		bulkScenario("replicated", `{"new_edits":false,"docs":[{"_id":"r","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]}},
			{"_id":"r","_rev":"3-d","_revisions":{"start":3,"ids":["d","b"]}}]}`, 201, `[]`),
		{path: "/notes/r?conflicts=true", has: []string{`"_rev":"3-d"`, `"_conflicts":["3-c"]`}},
		bulkScenario("replicated failures have a row", `{"docs":[{"_id":"s","_rev":"1-a","_attachments":{"a":{"stub":true}}},{"_id":"t","_rev":"1-b"}],"new_edits":false}`,
			201, `[{"id":"s","rev":"1-a","error":"missing_stub"`),
	})
}

func TestBulkDocsRefusesBadBodies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := `{"_id":"good"},`
	s.runAll([]scenario{
		bulkScenario("empty", ``, 400, "bad_request"),
		bulkScenario("array", `[]`, 400, "bad_request"),
		bulkScenario("no docs", `{}`, 400, "docs"),
		bulkScenario("docs an object", `{"docs":{}}`, 400, "docs"),
		bulkScenario("docs twice", `{"docs":[{"_id":"good"}],"docs":[]}`, 400, "bad_request"),
		bulkScenario("element a number", `{"docs":[`+good+`1]}`, 400, "bad_request"),
		bulkScenario("new_edits a text", `{"docs":[`+good+`{}],"new_edits":"false"}`, 400, "new_edits"),
		bulkScenario("malformed after the documents", `{"docs":[`+good+`{}],"x":}`, 400, "bad_request"),
		bulkScenario("cut", `{"docs":[`+good+`{"a":1`, 400, "bad_request"),
		bulkScenario("duplicate name", `{"docs":[`+good+`{"a":1,"a":2}]}`, 400, "bad_request"),
		bulkScenario("unknown member", `{"docs":[`+good+`{"_foo":1}]}`, 400, "doc_validation"),
		bulkScenario("reserved ID", `{"docs":[`+good+`{"_id":"_invalid"}]}`, 400, `{"error":"illegal_docid","reason":"Only reserved document ids may start with underscore."}`),
		bulkScenario("ID a number", `{"docs":[`+good+`{"_id":1}]}`, 400, "illegal_docid"),
		bulkScenario("bad revision", `{"docs":[`+good+`{"_rev":"x"}]}`, 400, "bad_request"),
		bulkScenario("follows", `{"docs":[`+good+`{"_attachments":{"a":{"follows":true}}}]}`, 400, "bad_request"),
		bulkScenario("replicated without a revision", `{"docs":[`+good+`{"_id":"x"}],"new_edits":false}`, 400, "bad_request"),
		{name: "method", path: "/notes/_bulk_docs", status: 405, headers: map[string]string{"Allow": "POST, OPTIONS"}},
		{name: "DECISIONS 28: a malformed body stores nothing", path: "/notes/good", status: 404, has: []string{"missing"}},
	})
}

// largeBulk is a body over 4 MiB; tail comes after the documents.
func largeBulk(documents int, tail string) string {
	var b strings.Builder
	b.WriteString(`{"docs":[`)
	filler := strings.Repeat("x", 9<<10)
	for i := range documents {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"_id":"big%04d","_rev":"1-a","filler":"%s"}`, i, filler)
	}
	return b.String() + `]` + tail
}

func TestDecision28_LargeBodiesAreCheckedWholeBeforeTheFirstStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAll([]scenario{
		bulkScenario("malformed at its end", largeBulk(600, `,"x":nope}`), 400, "bad_request"),
		bulkScenario("a bad document at its end", strings.Replace(largeBulk(600, `}`), `]}`, `,{"_foo":1}]}`, 1), 400, "doc_validation"),
		bulkScenario("cut", largeBulk(600, ``), 400, "bad_request"),
		{name: "nothing was stored", path: "/notes/big0000", status: 404, has: []string{"missing"}},
		bulkScenario("new_edits after the documents", largeBulk(600, `,"new_edits":false}`), 201, "[]\n"),
		{name: "stored as replicated", path: "/notes/big0599", has: []string{`"_rev":"1-a"`, strings.Repeat("x", 9<<10)}},
	})
	w := s.run(bulkScenario("rows in batches", largeBulk(600, `}`), 201, `{"ok":true,"id":"big0000"`))
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &rows))
	require.Len(t, rows, 600)
	left, err := os.ReadDir(s.TempDir)
	require.NoError(t, err)
	require.Empty(t, left, "spool files go away")
}

func TestBulkDocsWithManyRows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, `,{"_id":"%04d"}`, i)
	}
	w := s.run(bulkScenario("rows that go out in pieces", `{"docs":[`+b.String()[1:]+`]}`, 201))
	require.Greater(t, w.Body.Len(), streamAt)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &rows))
	require.Len(t, rows, 2000)
}

func TestLargeInlineAttachment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	content := randomText(4 << 20)
	w := s.run(scenario{method: http.MethodPut, path: "/notes/d/a", body: content, status: 201})
	_ = w
	read := s.run(scenario{path: "/notes/d?attachments=true&revs=true"}).Body.String()
	s.run(bulkScenario("spooled", `{"new_edits":false,"docs":[`+strings.Replace(read, `"_id":"d"`, `"_id":"e"`, 1)+`]}`, 201, "[]"))
	require.Equal(t, md5Text(content), md5Text(s.run(scenario{path: "/notes/e/a"}).Body.String()))
}

// refusing is an evaluator that refuses everything.
type refusing struct {
	calls atomic.Int64
	err   error
}

func (r *refusing) Evaluate(context.Context, syncstore.Evaluation) (syncstore.Outcome, error) {
	r.calls.Add(1)
	return syncstore.Outcome{}, r.err
}

func TestEvaluatorRefusals(t *testing.T) {
	t.Parallel()
	evaluator := &refusing{err: fmt.Errorf("%w: not yours", syncstore.ErrRejected)}
	s := newSite(t)
	s.db.Default().SetPolicy(syncstore.Policy{Evaluator: evaluator})
	s.runAll([]scenario{
		{method: http.MethodPut, path: "/notes/x", body: `{}`, status: 403, has: []string{`{"error":"forbidden","reason":"not yours"}`}},
		bulkScenario("row", `{"docs":[{"_id":"x"}]}`, 201, `{"id":"x","error":"forbidden","reason":"not yours","status":403}`),
	})
	require.Equal(t, int64(2), evaluator.calls.Load())
}

func TestBulkDocsTellsOfAServerThatCannotStore(t *testing.T) {
	t.Parallel()
	evaluator := &refusing{err: fmt.Errorf("disk: %w", syncstore.ErrInsufficientStorage)}
	s := newSite(t)
	s.db.Default().SetPolicy(syncstore.Policy{Evaluator: evaluator})
	s.run(bulkScenario("all failed", `{"docs":[{"_id":"x"},{"_id":"y"}]}`, 507, "insufficient_storage"))
	evaluator.err = errors.New("secret of the server")
	s.run(scenario{name: "unknown failure", method: http.MethodPut, path: "/notes/x", body: `{}`, status: 500, hasNot: []string{"secret"}})
}

// FuzzBulkDocsBody: whatever comes is answered, never by a failure of the server's, and
// an answer that refuses has stored nothing.
func FuzzBulkDocsBody(f *testing.F) {
	for _, body := range []string{
		`{"docs":[{"_id":"a"}]}`, `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-b"}]}`, `{"docs":[{"_id":"a","_attachments":{"x":{"data":"YQ=="}}}]}`,
		`{"docs":[{},1]}`, `{"docs":[{"_revisions":{"start":1,"ids":["a"]}}]}`, `[`, `{"docs":`, "{\"docs\":[{\"\xff\":1}]}",
	} {
		f.Add([]byte(body))
	}
	s := newSite(f, withLimits(Limits{BulkDocs: 20, Request: 1 << 16}))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/notes/_bulk_docs", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer alice")
		before := s.db.Info().Seq
		w := httptest.NewRecorder()
		serveNoted(s.Handler, w, r, http.NotFoundHandler())
		switch {
		case w.Code >= 500:
			t.Fatalf("%d: %s", w.Code, w.Body)
		case w.Code == http.StatusCreated:
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("answer is no JSON: %s", w.Body)
			}
		case s.db.Info().Seq != before:
			t.Fatalf("refused with %d and stored", w.Code)
		}
	})
}

func TestBulkBodiesAreToldWhichEntryIsWrong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, c := range []struct{ path, body, want string }{
		{"_bulk_docs", `{"docs":[{"_id":"a"},null]}`, "docs[1] must be a document, which is a JSON object."},
		{"_bulk_docs", `{"docs":[[]]}`, "docs[0] must be a document, which is a JSON object."},
		{"_bulk_docs", `[]`, "The body must be a JSON object."},
		{"_bulk_get", `{"docs":[{"id":"a"},{"id":5}]}`, "docs[1].id must be a string."},
		{"_bulk_get", `{"docs":[{"id":"a","rev":5}]}`, "docs[0].rev must be a string."},
		{"_bulk_get", `{"docs":[null]}`, "docs[0] must be a JSON object."},
		{"_bulk_get", `{"docs":[{"id":"a","atts_since":5}]}`, "atts_since must be a JSON array of revisions."},
		{"_bulk_get", `5`, "The body must be a JSON object."},
	} {
		s.run(scenario{
			name: c.body, method: http.MethodPost, path: "/notes/" + c.path, body: c.body, status: 400,
			has: []string{`"error":"bad_request","reason":"` + c.want + `"`}, hasNot: []string{"at byte"},
		})
	}
	s.run(scenario{name: "nothing was stored", path: "/notes/a", status: 404})
}
