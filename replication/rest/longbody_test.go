package rest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repeated is a text with something long in the middle, packed: of a quarter of a gigabyte are left some hundred kilobytes.
func repeated(t *testing.T, before string, size int, after string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = io.WriteString(w, before)
	require.NoError(t, err)
	piece := bytes.Repeat([]byte{'x'}, 64<<10)
	for range size / len(piece) {
		_, err = w.Write(piece)
		require.NoError(t, err)
	}
	_, err = io.WriteString(w, after)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// What is refused for its length takes no memory before: packed, it costs the client next to nothing. Not parallel: it
// measures the memory of the process.
func TestLongBodiesAreNotHeldInMemory(t *testing.T) {
	if raced {
		t.Skip("it would take a minute, and more memory")
	}
	const size = 40 << 20
	s := newSite(t, withLimits(Limits{Document: 1 << 20, Attachment: 1 << 20}))
	packed := map[string]string{"Content-Encoding": "gzip", "Content-Type": "application/json"}
	parts := map[string]string{"Content-Encoding": "gzip", "Content-Type": `multipart/related; boundary="b"`}
	const beginning, end = "--b\r\nContent-Type: application/json\r\n\r\n", "\r\n--b--\r\n"
	for name, c := range map[string]scenario{
		"a document":               {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"a":"`, size, `"}`), status: 413},
		"with an ID":               {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"_id":"a","a":"`, size, `"}`), status: 413},
		"without one":              {method: http.MethodPost, path: "/notes", header: packed, body: repeated(t, `{"a":"`, size, `"}`), status: 413},
		"one of many":              {method: http.MethodPost, path: "/notes/_bulk_docs", header: packed, body: repeated(t, `{"docs":[{"_id":"b","a":"`, size, `"}]}`), status: 201},
		"a local one of many":      {method: http.MethodPost, path: "/notes/_bulk_docs", header: packed, body: repeated(t, `{"docs":[{"_id":"_local/b","a":"`, size, `"}]}`), status: 201},
		"in a part":                {method: http.MethodPut, path: "/notes/a", header: parts, body: repeated(t, beginning+`{"_id":"a","a":"`, size, `"}`+end), status: 413},
		"an ID":                    {method: http.MethodPost, path: "/notes", header: packed, body: repeated(t, `{"_id":"`, size, `"}`), status: 400},
		"a revision":               {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"_rev":"1-`, size, `"}`), status: 400},
		"an attachment":            {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"_attachments":{"a":{"data":"\/\/\/\/`, size, `"}}}`), status: 413},
		"a digest":                 {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"_attachments":{"a":{"stub":true,"digest":"`, size, `"}}}`), status: 400},
		"an expiry":                {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"_exp":"`, size, `"}`), status: 400},
		"a member that is unknown": {method: http.MethodPut, path: "/notes/a", header: packed, body: repeated(t, `{"_`, size, `":1}`), status: 400},
	} {
		r := s.request(c)
		answer := &countingAnswer{header: http.Header{}}
		peak := peakMemory(t, func() { s.ServeHTTP(answer, r, http.NotFoundHandler()) })
		most := int64(size / 2)
		if strings.HasPrefix(name, "a member") { // whose name is a text by itself
			most += size
		}
		require.Equal(t, c.status, answer.status, name)
		require.Less(t, answer.written, 1<<10, name)
		require.Less(t, peak, most, name)
	}
	s.run(scenario{path: "/notes/_local/b", status: 404})
	s.run(scenario{
		method: http.MethodPost, path: "/notes/_bulk_docs", body: `{"docs":[{"_id":"_local/b","a":"` + strings.Repeat("x", 2<<20) + `"},{"_id":"c"}]}`,
		status: 201, has: []string{`{"id":"_local/b","error":"document_too_large"`, `{"ok":true,"id":"c"`},
	})
}
