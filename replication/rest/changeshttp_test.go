package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChangesEndpoint(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	writeDocs(t, db, "a", "b", "_design/d")
	bad := []string{`"error":"bad_request"`}
	runExchanges(t, site, []exchange{
		{name: "page", path: "_changes", want: []string{`{"seq":1,"id":"a"`, `"last_seq":"3"`}},
		{name: "by POST", method: "POST", path: "_changes?limit=1", body: `{"since":1,"limit":7}`,
			want: []string{`"id":"b"`, `"last_seq":"2"`}, not: []string{`"id":"a"`, "_design"}},
		{name: "POST without a body", method: "POST", path: "_changes", header: map[string]string{"Content-Type": "application/json"},
			want: []string{`"last_seq":"3"`}},
		{name: "PouchDB's doc_ids", method: "POST", path: "_changes?style=all_docs&filter=_doc_ids&since=0&limit=100", body: `{"doc_ids":["b"]}`,
			want: []string{`"id":"b"`, `"last_seq":"3","pending":0`}, not: []string{`"id":"a"`}},
		{name: "longpoll with changes", path: "_changes?feed=longpoll&since=2&heartbeat=10000", want: []string{`"id":"_design/d"`}},
		{name: "unknown feed", path: "_changes?feed=push", status: 400, want: bad},
		{name: "negative limit", path: "_changes?limit=-1", status: 400, want: bad},
		{name: "huge limit", path: "_changes?limit=340282366920938463463374607431768211456", want: []string{`"last_seq":"3"`}},
		{name: "malformed since", path: "_changes?since=later", status: 400, want: bad},
		{name: "since from the future", path: "_changes?since=1000", want: []string{`"id":"a"`, `"last_seq":"3"`}},
		{name: "malformed JSON", method: "POST", path: "_changes", body: `{"since":`, status: 400, want: bad},
		{name: "not an object", method: "POST", path: "_changes", body: `[1]`, status: 400, want: bad},
		{name: "too deep", method: "POST", path: "_changes", body: strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600), status: 400, want: bad},
		{name: "not UTF-8", method: "POST", path: "_changes", body: "{\"doc_ids\":[\"\xff\"]}", status: 400, want: bad},
		{name: "doc_ids of the wrong type", method: "POST", path: "_changes", body: `{"doc_ids":{"a":1}}`, status: 400, want: bad},
		{name: "too long", method: "POST", path: "_changes", body: `{"doc_ids":["` + strings.Repeat("x", maxOptionsBody) + `"]}`, status: 413},
		{name: "unknown filter", path: "_changes?filter=mine", status: 400, want: bad},
		{name: "filter function", path: "_changes?filter=app/mine", status: 404, want: []string{`"error":"not_found"`}},
		{name: "other method", method: "PUT", path: "_changes", body: "{}", status: 405},
	})
	head := exchange{name: "HEAD does not wait", method: "HEAD", path: "_changes?feed=continuous"}
	w := head.run(t, site)
	require.Empty(t, w.Body.String())
	require.Equal(t, "private, no-cache, no-transform", w.Header().Get("Cache-Control"))
}

func TestDecision13_ChangesHaveTheHeadersOfAllAnswers(t *testing.T) {
	t.Parallel()
	site, _ := feedSite(t)
	for _, path := range []string{"_changes", "_all_docs"} {
		w := (&exchange{path: path}).run(t, site)
		require.Equal(t, "private, no-cache", w.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Equal(t, http.StatusOK, w.Code)
	}
}
