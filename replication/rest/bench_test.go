package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// discard is a connection that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func kilobyte(i int) string {
	return fmt.Sprintf(`{"n":%d,"filler":"%s"}`, i, strings.Repeat("x", 1000))
}

func BenchmarkGetDocument(b *testing.B) {
	s := newSite(b)
	s.put("doc", kilobyte(1))
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/notes/doc", nil)
	r.Header.Set("Authorization", "Bearer alice")
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(&discard{header: make(http.Header, 8)}, r, nil)
	}
}

func BenchmarkParseBulk(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"new_edits":false,"docs":[`)
	for i := range 100 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"_id":"doc%d","_rev":"1-a","_revisions":{"start":1,"ids":["a"]},%s`, i, kilobyte(i)[1:])
	}
	text.WriteString(`]}`)
	body := []byte(text.String())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		all, err := parseBulk(body, 1000)
		if err != nil {
			b.Fatal(err)
		}
		for _, doc := range all.docs {
			if _, err := parseBulkDoc(doc, all.newEdits, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkBulkGet(b *testing.B) {
	s := newSite(b)
	var text strings.Builder
	text.WriteString(`{"docs":[`)
	for i := range 100 {
		rev := s.put(fmt.Sprint("doc", i), kilobyte(i))
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"id":"doc%d","rev":"%s"}`, i, rev)
	}
	text.WriteString(`]}`)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/notes/_bulk_get?revs=true", strings.NewReader(text.String()))
		r.Header.Set("Authorization", "Bearer alice")
		s.ServeHTTP(&discard{header: make(http.Header, 8)}, r, nil)
	}
}
