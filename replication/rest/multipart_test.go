package rest

import (
	"compress/gzip"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
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
	require.Contains(t, parts[4], `{"id":"none","rev":"1-a","error":"not_found","reason":"missing","status":404}`)
	require.Contains(t, parts[6], `"error":"bad_request"`)

	parts = s.parts(scenario{path: "/notes/d?attachments=true", header: map[string]string{"Accept": "application/json;q=0.5, multipart/related"}})
	require.Equal(t, []string{"one", "two"}, parts[1:])
	s.run(scenario{path: "/notes/d?attachments=true", header: map[string]string{"Accept": "application/json, multipart/related"}, has: []string{`"data":"b25l"`}})
}

// Couchbase Lite 1 finds the attachment of a part by its file name, between plain quotes. What
// cannot stand there goes with the document.
func TestMultipartNamesOfParts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("q", `{"_attachments":{"é x.txt":{"data":"b25l"},"blob_/photo/0":{"data":"dHdv"},"a \"b\"":{"data":"dGhyZWU="}}}`)
	for path, accept := range map[string]string{
		"/notes/q?attachments=true": "multipart/related", `/notes/q?open_revs=all`: "multipart/mixed",
	} {
		w := s.run(scenario{path: path, header: map[string]string{"Accept": accept}})
		text := w.Body.String()
		require.Contains(t, text, "Content-Disposition: attachment; filename=\"é x.txt\"\r\n")
		require.Contains(t, text, "Content-Disposition: attachment; filename=\"blob_/photo/0\"\r\n")
		require.Contains(t, text, `"length":3,"follows":true`)
		require.Regexp(t, `"a \\"b\\"":\{"content_type":"application/octet-stream","revpos":1,"digest":"md5-[^"]*","data":"dGhyZWU="\}`, text)
		parts := readMultipart(t, w.Header().Get("Content-Type"), w.Body)
		require.Equal(t, []string{"two", "one"}, parts[1:])
	}
}

// REST takes no such name, but an app of Couchbase Lite may give one to a blob.
func TestAnAttachmentsNameCannotAddHeadersToItsPart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	upload := s.db.NewUpload(t.Context())
	_, err := upload.Write([]byte("one"))
	require.NoError(t, err)
	content, err := upload.Commit(t.Context())
	require.NoError(t, err)
	edit := syncstore.Edit{ID: "d", Body: []byte(`{}`), Attachments: []syncstore.AttachmentEdit{{Name: "a\r\nContent-Encoding: gzip", Content: content}}}
	require.NoError(t, s.db.Default().Write(t.Context(), []syncstore.Edit{edit}, syncstore.WriteOptions{})[0].Err)
	for path, accept := range map[string]string{"/notes/d?attachments=true": "multipart/related", "/notes/d?open_revs=all": "multipart/mixed"} {
		w := s.run(scenario{path: path, header: map[string]string{"Accept": accept}, hasNot: []string{"\r\nContent-Encoding"}})
		parts := readMultipart(t, w.Header().Get("Content-Type"), w.Body)
		require.Len(t, parts, 1)
		require.Contains(t, parts[0], `"a\r\nContent-Encoding: gzip":{`)
		require.Contains(t, parts[0], `"data":"b25l"`)
	}
}

// X-Accept-Part-Encoding is Couchbase Lite 1's.
func TestMultipartJSONMayBePacked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := `"text":"` + strings.Repeat("long ", 200) + `"`
	s.put("long", `{`+long+`,"_attachments":{"a":{"data":"b25l"}}}`)
	s.put("plain", `{`+long+`}`)
	s.put("short", `{}`)
	header := map[string]string{"Accept": "multipart/related", "X-Accept-Part-Encoding": "gzip"}
	unpacked := func(w *httptest.ResponseRecorder) []string {
		parts := readMultipart(t, w.Header().Get("Content-Type"), w.Body)
		for i, part := range parts {
			if !strings.HasPrefix(part, "\x1f\x8b") {
				continue
			}
			r, err := gzip.NewReader(strings.NewReader(part))
			require.NoError(t, err)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			parts[i] = "packed " + string(text)
		}
		return parts
	}
	parts := unpacked(s.run(scenario{path: "/notes/long?attachments=true", header: header, has: []string{"Content-Encoding: gzip\r\nContent-Type: application/json\r\n"}}))
	require.Len(t, parts, 2)
	require.Regexp(t, `^packed \{"_id":"long",.*"text":"long long .*\}$`, parts[0])
	require.Equal(t, "one", parts[1])
	body := `{"docs":[{"id":"long"},{"id":"plain"},{"id":"short"},{"id":"none","rev":"1-a"}]}`
	parts = unpacked(s.run(scenario{method: http.MethodPost, path: "/notes/_bulk_get?attachments=true&revs=true", body: body, header: header}))
	require.Len(t, parts, 5)
	require.Contains(t, parts[0], `packed {"_id":"long"`)
	require.Contains(t, parts[2], `packed {"_id":"plain"`)
	require.Contains(t, parts[3], `{"_id":"short"`)
	require.Contains(t, parts[4], `"status":404`)
	s.run(scenario{path: "/notes/long?attachments=true", header: map[string]string{"Accept": "multipart/related"}, hasNot: []string{"Content-Encoding"}})
}

// Couchbase Lite 1 for iOS packs the document's part, and that for Java does not quote the
// file names.
func TestMultipartPutsOfCouchbaseLite1(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	doc := `{"v":"` + strings.Repeat("x", 300) + `","_attachments":{` + follows("a b.txt", "one") + `,` + follows("c", "two") + `}}`
	packed := strings.Replace(related(doc, `Content-Disposition: attachment; filename=a b.txt`+"\r\n\r\none", `Content-Disposition: attachment; filename=c`+"\r\n\r\ntwo"),
		"\r\n\r\n"+doc, "\r\nContent-Encoding: gzip\r\n\r\n"+gzipped(t, doc), 1)
	s.run(putRelatedScenario("packed", packed, 201))
	s.runAll([]scenario{
		{path: "/notes/m", has: []string{`"v":"xxx`}},
		{path: "/notes/m/a%20b.txt", has: []string{"one"}},
		{path: "/notes/m/c", has: []string{"two"}},
	})
	s.run(putRelatedScenario("damaged", strings.Replace(packed, "\x1f\x8b", "\x1f\x8c", 1), 400))
}

// Couchbase Lite 1 compresses what it sends; what is damaged is the client's fault.
func TestDamagedGzipIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	sound := gzipped(t, `{"docs":[{"_id":"a","text":"`+strings.Repeat("word ", 100)+`"}],"new_edits":true}`)
	header := map[string]string{"Content-Encoding": "gzip"}
	s.run(scenario{method: http.MethodPost, path: "/notes/_bulk_docs", body: sound, header: header, status: 201})
	doc := gzipped(t, `{"text":"`+strings.Repeat("word ", 100)+`"}`)
	for at := range len(sound) - 1 {
		for _, body := range []string{sound[:at] + string(sound[at]^0xff) + sound[at+1:], sound[:at]} {
			w := s.send(scenario{method: http.MethodPost, path: "/notes/_bulk_docs", body: body, header: header})
			require.Less(t, w.Code, 500, "byte %d: %s", at, w.Body)
		}
		if at < len(doc) {
			part := doc[:at] + string(doc[at]^0xff) + doc[at+1:]
			w := s.send(putRelatedScenario("", "--xyz\r\nContent-Encoding: gzip\r\n\r\n"+part+"\r\n--xyz--", 0))
			require.Less(t, w.Code, 500, "byte %d: %s", at, w.Body)
		}
	}
}

// Content that came compressed is stored decoded (DECISIONS 22). Its entry keeps the digest
// that its writer named; beside the content is the one of what is sent.
func TestContentGoesWithItsOwnDigest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain := strings.Repeat("hello ", 500)
	packed := gzipped(t, plain)
	for _, digest := range []func(string) string{
		func(text string) string { return "md5-" + md5Text(text) },
		func(text string) string {
			sum := sha1.Sum([]byte(text))
			return "sha1-" + base64.StdEncoding.EncodeToString(sum[:])
		},
	} {
		entry := fmt.Sprintf(`"a":{"follows":true,"content_type":"text/plain","encoding":"gzip","length":%d,"encoded_length":%d,"digest":%q}`,
			len(plain), len(packed), digest(packed))
		put := putRelatedScenario("gzip", related(`{"_rev":"1-a","_attachments":{`+entry+`}}`, "Content-Encoding: gzip\r\n\r\n"+packed), 201)
		id := "of" + digest("")[:3]
		put.path = "/notes/" + id + "?new_edits=false"
		s.run(put)
		parts := s.parts(scenario{path: "/notes/" + id + "?attachments=true", header: map[string]string{"Accept": "multipart/related"}})
		require.Contains(t, parts[0], `"digest":"`+digest(plain)+`"`)
		require.Equal(t, plain, parts[1])
		s.run(scenario{path: "/notes/" + id, has: []string{`"digest":"` + digest(packed) + `"`}})
		for _, named := range []string{digest(packed), digest(plain)} { // a stub by either
			rev := strings.Trim(s.run(scenario{path: "/notes/" + id}).Header().Get("Etag"), `"`)
			s.put(id, fmt.Sprintf(`{"_rev":%q,"_attachments":{"a":{"stub":true,"digest":%q}}}`, rev, named))
		}
	}
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
	packed := strings.Replace(related(one, "Content-Disposition: attachment; filename=a b\r\n\r\none"), "\r\n\r\n"+one, "\r\nContent-Encoding: gzip\r\n\r\n"+gzipped(f, one), 1)
	f.Add(relatedType, []byte(packed))
	f.Add(relatedType, []byte(packed[:60]))
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

// A part belongs to the attachment of its whole name, and not to another with the end of it.
func TestMultipartPartsOfNamesWithASlash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAll([]scenario{
		{
			method: http.MethodPut, path: "/notes/m", status: 201, header: map[string]string{"Content-Type": relatedType},
			body: related(`{"_attachments":{"dir/x.txt":{"follows":true},"x.txt":{"follows":true},"..":{"follows":true}}}`,
				"Content-Disposition: attachment; filename=\"dir/x.txt\"\r\n\r\nin the folder", "Content-Disposition: attachment; filename=\"x.txt\"\r\n\r\nbeside it",
				"Content-Disposition: attachment; filename=\"..\"\r\n\r\nabove"),
		},
		{path: "/notes/m/dir%2Fx.txt", has: []string{"in the folder"}},
		{path: "/notes/m/dir/x.txt", has: []string{"in the folder"}},
		{path: "/notes/m/x.txt", has: []string{"beside it"}},
	})
}
