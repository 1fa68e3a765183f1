package rest

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const relatedType = `multipart/related; boundary="xyz"`

// related builds a multipart/related body with the boundary xyz; parts have their own
// headers.
func related(doc string, parts ...string) string {
	body := "--xyz\r\nContent-Type: application/json\r\n\r\n" + doc
	for _, part := range parts {
		body += "\r\n--xyz\r\n" + part
	}
	return body + "\r\n--xyz--"
}

func follows(name, content string) string {
	return fmt.Sprintf(`"%s":{"follows":true,"content_type":"text/plain","length":%d,"digest":"md5-%s","revpos":1}`,
		name, len(content), md5Text(content))
}

func putRelatedScenario(name, body string, status int) scenario {
	return scenario{
		name: name, method: http.MethodPut, path: "/notes/m", body: body, status: status,
		header: map[string]string{"Content-Type": relatedType},
	}
}

func TestMultipartRelatedPut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	large := randomText(900 << 10)
	doc := `{"_attachments":{` + follows("a", "one") + `,` + follows("b", large) + `,"c":{"data":"dHdv"}},"v":1}`
	s.runAll([]scenario{
		putRelatedScenario("in order", related(doc, "\r\none", "Content-Type: x/y\r\n\r\n"+large), 201),
		{path: "/notes/m/a", has: []string{"one"}, headers: map[string]string{"Content-Type": "text/plain"}},
		{path: "/notes/m/c", has: []string{"two"}},
		{path: "/notes/m", has: []string{`"v":1`}},
	})
	require.Equal(t, md5Text(large), md5Text(s.run(scenario{path: "/notes/m/b"}).Body.String()))
	s.run(scenario{
		name: "by file name", method: http.MethodPut, path: "/notes/n", status: 201, header: map[string]string{"Content-Type": relatedType},
		body: related(`{"_attachments":{`+follows("a", "one")+`,`+follows("b", "two")+`}}`,
			"Content-Disposition: attachment; filename=\"b\"\r\n\r\ntwo", "Content-Disposition: attachment; filename=\"a\"\r\n\r\none"),
	})
	s.run(scenario{path: "/notes/n/b", has: []string{"two"}})
}

func TestMultipartRelatedPutRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one := `{"_attachments":{` + follows("a", "one") + `}}`
	sound := related(one, "\r\none")
	s.runAll([]scenario{
		putRelatedScenario("part missing", related(one), 400),
		putRelatedScenario("part too many", related(one, "\r\none", "\r\ntwo"), 400),
		putRelatedScenario("other content", related(one, "\r\ntwo"), 400),
		putRelatedScenario("other length", related(strings.Replace(one, `"length":3`, `"length":4`, 1), "\r\none"), 400),
		putRelatedScenario("other order", related(`{"_attachments":{`+follows("a", "one")+`,`+follows("b", "two")+`}}`, "\r\ntwo", "\r\none"), 400),
		putRelatedScenario("document malformed", related(`{"a":`, "\r\none"), 400),
		putRelatedScenario("part's headers malformed", related(one, "no header\r\n\r\none"), 400),
		putRelatedScenario("empty", "", 400),
		putRelatedScenario("no part", "--xyz--", 400),
		putRelatedScenario("another boundary", strings.ReplaceAll(sound, "xyz", "zyx"), 400),
		{name: "no boundary", method: http.MethodPut, path: "/notes/m", body: sound, status: 400, header: map[string]string{"Content-Type": "multipart/related"}},
	})
	for cut := range len(sound) - 2 {
		w := s.send(putRelatedScenario("", sound[:cut], 0))
		require.Equal(t, 400, w.Code, "cut at %d: %s", cut, w.Body)
	}
	s.run(scenario{name: "nothing was stored", path: "/notes/m", status: 404, has: []string{"missing"}})
}

func TestDecision22_MultipartWithGzipContent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain := strings.Repeat("hello ", 500)
	packed := gzipped(t, plain)
	entry := fmt.Sprintf(`"a":{"follows":true,"content_type":"text/plain","encoding":"gzip","length":%d,"encoded_length":%d,"digest":"md5-%s"}`,
		len(plain), len(packed), md5Text(packed))
	doc := `{"_rev":"1-a","_attachments":{` + entry + `}}`
	put := putRelatedScenario("gzip", related(doc, "Content-Encoding: gzip\r\n\r\n"+packed), 201)
	put.path += "?new_edits=false"
	wrong := put
	wrong.status, wrong.body = 400, strings.Replace(put.body, fmt.Sprintf(`"length":%d`, len(plain)), `"length":7`, 1)
	s.run(wrong)
	s.run(put)
	require.Equal(t, md5Text(plain), md5Text(s.run(scenario{path: "/notes/m/a"}).Body.String()))
	s.run(scenario{
		name: "the entry keeps the digest that its writer named", path: "/notes/m",
		has: []string{`"digest":"md5-` + md5Text(packed) + `"`, fmt.Sprintf(`"length":%d`, len(plain))}, hasNot: []string{"encoding"},
	})
}

// readParts reads a multipart answer: the text of each part, and of the parts inside.
func readMultipart(tb testing.TB, contentType string, body io.Reader) []string {
	tb.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	require.NoError(tb, err)
	reader := multipart.NewReader(body, params["boundary"])
	var texts []string
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF { //nolint:errorlint // the regular end
			return texts
		}
		require.NoError(tb, err)
		inner := part.Header.Get("Content-Type")
		if strings.HasPrefix(inner, "multipart/") {
			texts = append(texts, readMultipart(tb, inner, part)...)
			continue
		}
		text, err := io.ReadAll(part)
		require.NoError(tb, err)
		texts = append(texts, string(text))
	}
}

func (s *site) parts(c scenario) []string {
	s.t.Helper()
	w := s.run(c)
	return readMultipart(s.t, w.Header().Get("Content-Type"), w.Body)
}

func TestMultipartReads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.putAttachment("/notes/d/a", "text/plain", "one")
	second := s.putAttachment("/notes/d/b?rev="+rev, "text/plain", "two")
	s.put("plain", `{"v":1}`)
	mixed := map[string]string{"Accept": "multipart/mixed"}

	parts := s.parts(scenario{path: "/notes/d?open_revs=all&revs=true", header: mixed})
	require.Len(t, parts, 3)
	require.Contains(t, parts[0], `"_revisions":{"start":2`)
	require.Contains(t, parts[0], `"follows":true`)
	require.Equal(t, []string{"one", "two"}, parts[1:])

	parts = s.parts(scenario{path: `/notes/d?open_revs=["` + second + `","9-z"]&atts_since=["` + rev + `"]`, header: mixed})
	require.Len(t, parts, 3)
	require.Contains(t, parts[0], `"stub":true`, "what the peer has does not follow")
	require.Equal(t, []string{"two", `{"missing":"9-z"}`}, parts[1:])

	body := `{"docs":[{"id":"d"},{"id":"plain"},{"id":"none","rev":"1-a"},{"id":"none"},{"id":"d","rev":"x"}]}`
	parts = s.parts(scenario{method: http.MethodPost, path: "/notes/_bulk_get?attachments=true", body: body, header: mixed})
	require.Len(t, parts, 7)
	require.Equal(t, "one", parts[1])
	require.Contains(t, parts[3], `"v":1`)
	require.Contains(t, parts[4], `{"id":"none","rev":"1-a","error":"not_found","reason":"missing"}`)
	require.Contains(t, parts[6], `"error":"bad_request"`)

	parts = s.parts(scenario{path: "/notes/d?attachments=true", header: map[string]string{"Accept": "application/json;q=0.5, multipart/related"}})
	require.Equal(t, []string{"one", "two"}, parts[1:])
	s.run(scenario{path: "/notes/d?attachments=true", header: map[string]string{"Accept": "application/json, multipart/related"}, has: []string{`"data":"b25l"`}})
}

func TestMultipartNamesThatNeedQuotes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("q", `{"_attachments":{"a\"b\r\n.txt":{"data":""}}}`[:0]+`{"_attachments":{"é \"x\".txt":{"data":"b25l"}}}`)
	w := s.run(scenario{path: "/notes/q?attachments=true", header: map[string]string{"Accept": "multipart/related"}})
	require.Contains(t, w.Body.String(), "filename*=utf-8''")
	require.Len(t, readMultipart(t, w.Header().Get("Content-Type"), w.Body), 2)
}

// FuzzMultipartRelated: whatever comes is answered, and never by a failure of the
// server's.
func FuzzMultipartRelated(f *testing.F) {
	one := `{"_attachments":{` + follows("a", "one") + `}}`
	sound := related(one, "Content-Disposition: attachment; filename=\"a\"\r\n\r\none")
	f.Add(relatedType, []byte(sound))
	f.Add(relatedType, []byte(sound[:60]))
	f.Add(`multipart/related; boundary=""`, []byte(sound))
	f.Add(relatedType, []byte(related(`{"_attachments":{"a":{"follows":true,"encoding":"gzip"}}}`, "\r\n\x1f\x8b\x08")))
	f.Add(relatedType, []byte("--xyz\r\n\r\n{}\r\n--xyz--"))
	s := newSite(f, withLimits(Limits{Attachment: 1 << 10, Request: 1 << 16}))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/notes/fuzzed", strings.NewReader(string(body)))
		r.Header["Content-Type"] = []string{contentType}
		r.Header.Set("Authorization", "Bearer alice")
		w := httptest.NewRecorder()
		serveNoted(s.Handler, w, r, http.NotFoundHandler())
		if w.Code >= 500 {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	})
}
