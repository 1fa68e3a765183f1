package rest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"github.com/stretchr/testify/require"
)

func md5Text(text string) string {
	sum := md5.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func sha1Text(text string) string {
	sum := sha1.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// randomText is content that is the same in each run.
func randomText(size int) string {
	source := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	_, _ = source.Read(b)
	return string(b)
}

func (s *site) putAttachment(path, contentType, content string) string {
	s.t.Helper()
	w := s.run(scenario{
		method: http.MethodPut, path: path, body: content, status: 201, header: map[string]string{"Content-Type": contentType},
	})
	return strings.Trim(w.Header().Get("Etag"), `"`)
}

func TestAttachmentRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4096, 256 << 10, 700 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			content := randomText(size)
			rev := s.putAttachment("/notes/d/a.bin", "application/x-test", content)
			w := s.run(scenario{path: "/notes/d/a.bin", headers: map[string]string{
				"Content-Type": "application/x-test", "Content-Length": fmt.Sprint(size), "Accept-Ranges": "bytes",
				"Etag": `"md5-` + md5Text(content) + `"`,
			}})
			require.Equal(t, md5Text(content), md5Text(w.Body.String()))
			s.run(scenario{path: "/notes/d", has: []string{fmt.Sprintf(
				`"_attachments":{"a.bin":{"content_type":"application/x-test","revpos":1,"digest":"md5-%s","length":%d,"stub":true}}`,
				md5Text(content), size)}})
			w = s.run(scenario{path: "/notes/d?attachments=true", has: []string{`"data":"` + base64.StdEncoding.EncodeToString([]byte(content)) + `"}}`}})
			require.Equal(t, size < 40<<10, w.Header().Get("Content-Length") != "", "large answers are streamed")

			again := s.run(scenario{name: "inline", method: http.MethodPut, path: "/notes/e", body: w.Body.String(), status: 400})
			require.Contains(t, again.Body.String(), "_id")
			inline := strings.Replace(w.Body.String(), `"_id":"d","_rev":"`+rev+`",`, "", 1)
			s.run(scenario{name: "inline", method: http.MethodPut, path: "/notes/e", body: inline, status: 201})
			require.Equal(t, md5Text(content), md5Text(s.run(scenario{path: "/notes/e/a.bin"}).Body.String()))
			s.run(scenario{name: "related", path: "/notes/e?attachments=true", header: map[string]string{"Accept": "multipart/related"},
				has: []string{`"follows":true`, "\r\n\r\n" + content + "\r\n--"}})
		})
	}
}

func TestAttachmentRanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	content := randomText(600 << 10)
	s.putAttachment("/notes/d/a", "text/plain", content)
	etag := `"md5-` + md5Text(content) + `"`
	get := func(header, wantRange, want string) {
		t.Helper()
		w := s.run(scenario{name: header, path: "/notes/d/a", header: map[string]string{"Range": header}, status: 206, headers: map[string]string{
			"Content-Range": wantRange, "Content-Length": fmt.Sprint(len(want)),
		}})
		require.Equal(t, md5Text(want), md5Text(w.Body.String()), header)
	}
	size := len(content)
	get("bytes=0-0", fmt.Sprintf("bytes 0-0/%d", size), content[:1])
	get("bytes=262143-262145", fmt.Sprintf("bytes 262143-262145/%d", size), content[262143:262146])
	get("bytes=600000-", fmt.Sprintf("bytes 600000-%d/%d", size-1, size), content[600000:])
	get("bytes=-3", fmt.Sprintf("bytes %d-%d/%d", size-3, size-1, size), content[size-3:])
	get("bytes=0-99999999", fmt.Sprintf("bytes 0-%d/%d", size-1, size), content)
	for _, header := range []string{"bytes=999999999-", "bytes=-0"} {
		s.run(scenario{name: header, path: "/notes/d/a", header: map[string]string{"Range": header}, status: 416,
			has: []string{"requested_range_not_satisfiable"}, headers: map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", size)}})
	}
	for _, header := range []string{"bytes=0-1,3-4", "lines=1-2", "bytes=5-2", "bytes=a-b", "bytes=", "bytes=--1"} {
		s.run(scenario{name: header, path: "/notes/d/a", header: map[string]string{"Range": header}})
	}
	s.runAll([]scenario{
		{name: "if-range", path: "/notes/d/a", header: map[string]string{"Range": "bytes=0-0", "If-Range": etag}, status: 206},
		{name: "if-range of another", path: "/notes/d/a", header: map[string]string{"Range": "bytes=0-0", "If-Range": `"x"`}},
		{name: "known", path: "/notes/d/a", header: map[string]string{"If-None-Match": etag}, status: 304, headers: map[string]string{"Etag": etag}},
		{name: "head", method: http.MethodHead, path: "/notes/d/a", headers: map[string]string{"Content-Length": fmt.Sprint(size)}},
	})
}

func TestAttachmentEdits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("d", `{"keep":12345678901234567890}`)
	s.runAll([]scenario{
		{name: "no revision", method: http.MethodPut, path: "/notes/d/a", body: "x", status: 409},
		{name: "unknown revision", method: http.MethodPut, path: "/notes/d/a?rev=1-zz", body: "x", status: 409},
		{name: "no revision at all", method: http.MethodPut, path: "/notes/d/a?rev=zz", body: "x", status: 400},
		{name: "reserved name", method: http.MethodPut, path: "/notes/n/_a", body: "x", status: 400},
		{name: "wrong MD5", method: http.MethodPut, path: "/notes/n/a", body: "x", status: 400, header: map[string]string{"Content-MD5": md5Text("y")}},
		{name: "malformed MD5", method: http.MethodPut, path: "/notes/n/a", body: "x", status: 400, header: map[string]string{"Content-MD5": "abc"}},
		{name: "nothing was made", path: "/notes/n", status: 404},
	})
	rev = s.putAttachment("/notes/d/a?rev="+rev, "text/plain", "one")
	rev = s.putAttachment("/notes/d/dir/b.txt?rev="+rev, "text/plain", "two")
	w := s.run(scenario{path: "/notes/d", has: []string{`"keep":12345678901234567890`, `"a":{`, `"dir/b.txt":{`, `"revpos":2`, `"revpos":3`}})
	require.Contains(t, w.Body.String(), rev)
	s.runAll([]scenario{
		{name: "slash in the name", path: "/notes/d/dir/b.txt", has: []string{"two"}},
		{name: "slash escaped", path: "/notes/d/dir%2Fb.txt", has: []string{"two"}},
		{name: "of a revision", path: "/notes/d/a?rev=" + rev, has: []string{"one"}},
		{name: "no such", path: "/notes/d/c", status: 404, has: []string{"Document is missing attachment"}},
		{name: "no such document", path: "/notes/none/c", status: 404, has: []string{`"missing"`}},
		{name: "delete without a revision", method: http.MethodDelete, path: "/notes/d/a", status: 409},
		{name: "delete by a bad one", method: http.MethodDelete, path: "/notes/d/a?rev=x", status: 400},
		{name: "delete what is not there", method: http.MethodDelete, path: "/notes/d/c?rev=" + rev, status: 404},
		{name: "delete", method: http.MethodDelete, path: "/notes/d/a?rev=" + rev, status: 200, has: []string{`"ok":true`}},
		{name: "gone", path: "/notes/d/a", status: 404},
		{name: "the other stays", path: "/notes/d/dir/b.txt", has: []string{"two"}},
	})
}

func TestAttachmentStubs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.putAttachment("/notes/d/a", "text/plain", "one")
	stub := func(name, digest string) string {
		return `{"_rev":"` + rev + `","_attachments":{"` + name + `":{"stub":true,"digest":"` + digest + `"}}}`
	}
	s.runAll([]scenario{
		{name: "of nothing", method: http.MethodPut, path: "/notes/d", body: stub("b", ""), status: 412, has: []string{"missing_stub"}},
		{name: "of other content", method: http.MethodPut, path: "/notes/d", body: stub("a", "md5-"+md5Text("two")), status: 412},
		{name: "with a digest that is none", method: http.MethodPut, path: "/notes/d", body: stub("a", "md5-x=="), status: 412, has: []string{"missing_stub"}},
		{name: "in a new document", method: http.MethodPut, path: "/notes/n", body: `{"_attachments":{"a":{"stub":true}}}`, status: 412},
		{name: "by SHA-1", method: http.MethodPut, path: "/notes/d", body: stub("a", "sha1-"+sha1Text("one")), status: 201},
		{name: "kept", path: "/notes/d/a", has: []string{"one"}},
		{name: "with its first digest", path: "/notes/d", has: []string{"md5-" + md5Text("one"), `"revpos":1`}},
	})
}

func TestDecision22_InlineDigests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	put := func(id, digest, extra string) scenario {
		return scenario{method: http.MethodPut, path: "/notes/" + id, status: 201, body: `{"_attachments":{"a":{"data":"b25l","digest":"` + digest + `"` + extra + `}}}`}
	}
	s.runAll([]scenario{
		put("sha1", "sha1-"+sha1Text("one"), ""),
		{name: "the writer's digest stays", path: "/notes/sha1", has: []string{`"digest":"sha1-` + sha1Text("one") + `"`}},
		put("stale", "md5-"+md5Text("two"), `,"length":99`),
		{name: "a digest of something else is not believed", path: "/notes/stale", has: []string{`"digest":"md5-` + md5Text("one") + `","length":3`}},
		put("escaped", "", `,"content_type":"image\/png"`),
		{name: "escapes are undone", path: "/notes/escaped", has: []string{`"content_type":"image/png"`}},
		{name: "escaped base64", method: http.MethodPut, path: "/notes/slash", body: `{"_attachments":{"a":{"data":"\/\/8="}}}`, status: 201},
	})
	require.Equal(t, "\xff\xff", s.run(scenario{path: "/notes/slash/a"}).Body.String())
}

func TestDecision22_GzipUploadsAreCheckedEncodedAndStoredDecoded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain := strings.Repeat("hello ", 1000)
	packed := gzipped(t, plain)
	header := func(md5 string) map[string]string {
		return map[string]string{"Content-Encoding": "gzip", "Content-MD5": md5, "Content-Type": "text/plain"}
	}
	s.runAll([]scenario{
		{name: "MD5 of the decoded", method: http.MethodPut, path: "/notes/d/a", body: packed, header: header(md5Text(plain)), status: 400},
		{name: "MD5 of the encoded", method: http.MethodPut, path: "/notes/d/a", body: packed, header: header(md5Text(packed)), status: 201},
		{name: "cut", method: http.MethodPut, path: "/notes/e/a", body: packed[:20], header: map[string]string{"Content-Encoding": "gzip"}, status: 400},
		{name: "no gzip", method: http.MethodPut, path: "/notes/e/a", body: "plain", header: map[string]string{"Content-Encoding": "gzip"}, status: 400},
		{name: "other", method: http.MethodPut, path: "/notes/e/a", body: "plain", header: map[string]string{"Content-Encoding": "br"}, status: 415},
	})
	w := s.run(scenario{path: "/notes/d/a", headers: map[string]string{"Content-Encoding": ""}})
	require.Equal(t, md5Text(plain), md5Text(w.Body.String()))
}

func TestDecision13_AttachmentHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for contentType, shown := range map[string]bool{
		"image/png": true, "image/jpeg": true, "audio/mpeg": true, "video/mp4": true, "text/plain; charset=utf-8": true,
		"image/svg+xml": false, "text/html": false, "application/xhtml+xml": false, "application/pdf": false,
		"text/javascript": false, "": false, "nonsense": false, "IMAGE/SVG+XML": false, "text/xml": false,
	} {
		id := fmt.Sprintf("%x", contentType) + "x"
		s.putAttachment("/notes/"+id+"/a%20b.x", contentType, "x")
		w := s.run(scenario{name: contentType, path: "/notes/" + id + "/a%20b.x", headers: map[string]string{
			"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "private, no-cache", "Vary": "Origin, Cookie, Authorization",
		}})
		if shown {
			require.Empty(t, w.Header().Get("Content-Disposition"), contentType)
		} else {
			require.Equal(t, `attachment; filename="a b.x"`, w.Header().Get("Content-Disposition"), contentType)
		}
	}
}

func TestBase64SourceReadsInAnyPieces(t *testing.T) {
	t.Parallel()
	for size := range 50 {
		content := randomText(size)
		for length := 1; length <= 8; length++ {
			source := &base64Source{raw: []byte(base64.StdEncoding.EncodeToString([]byte(content)))}
			var got bytes.Buffer
			_, err := io.CopyBuffer(onlyWriter{&got}, onlyReader{source}, make([]byte, length))
			require.NoError(t, err)
			require.Equal(t, content, got.String(), length)
		}
	}
}

// The raw PUT of an attachment says what each door must: as much as the limit is taken.
func TestInlineAttachmentsAreHeldToTheLimitAtEachDoor(t *testing.T) {
	t.Parallel()
	const limit = 100
	doors := map[string]func(id, data string) scenario{
		"raw PUT": func(id, data string) scenario {
			content, _ := base64.StdEncoding.DecodeString(data)
			return scenario{method: http.MethodPut, path: "/notes/" + id + "/x", body: string(content)}
		},
		"PUT": func(id, data string) scenario {
			return scenario{method: http.MethodPut, path: "/notes/" + id, body: `{"_attachments":{"x":{"data":"` + data + `"}}}`}
		},
		"POST": func(id, data string) scenario {
			return scenario{method: http.MethodPost, path: "/notes", body: `{"_id":"` + id + `","_attachments":{"x":{"data":"` + data + `"}}}`}
		},
		"new_edits=false": func(id, data string) scenario {
			return scenario{method: http.MethodPut, path: "/notes/" + id + "?new_edits=false", body: `{"_rev":"1-a","_attachments":{"x":{"data":"` + data + `"}}}`}
		},
	}
	for name, option := range map[string]siteOption{"public": allDatabases, "admin": adminSite} {
		s := newSite(t, option, withLimits(Limits{Attachment: limit}))
		for door, send := range doors {
			for size, status := range map[int]int{limit - 1: 201, limit: 201, limit + 1: 413, limit + 2: 413, limit + 3: 413} {
				content := randomText(size)
				id := fmt.Sprintf("%x-%d", door, size)
				c := send(id, base64.StdEncoding.EncodeToString([]byte(content)))
				c.name, c.status = fmt.Sprint(name, " site, ", door, ", ", size), status
				if status == 413 {
					c.has = []string{`"error":"too_large"`, "The attachment is over 100 bytes."}
					s.run(c)
					s.run(scenario{name: c.name, path: "/notes/" + id, status: 404})
					continue
				}
				s.run(c)
				require.Equal(t, content, s.run(scenario{name: c.name, path: "/notes/" + id + "/x"}).Body.String())
			}
		}
		s.runInlineBulk(limit)
	}
}

// runInlineBulk has each size about the limit in a row of its own.
func (s *site) runInlineBulk(limit int) {
	s.t.Helper()
	rows := []string{}
	for size := limit - 1; size <= limit+3; size++ {
		data := base64.StdEncoding.EncodeToString([]byte(randomText(size)))
		rows = append(rows, fmt.Sprintf(`{"_id":"b%d","_attachments":{"x":{"data":"%s"}}}`, size, data))
	}
	w := s.run(scenario{method: http.MethodPost, path: "/notes/_bulk_docs", status: 201, body: `{"docs":[` + strings.Join(rows, ",") + `]}`})
	var answers []struct{ ID, Error, Reason string }
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &answers))
	require.Len(s.t, answers, len(rows))
	for i, answer := range answers {
		if i < 2 {
			require.Empty(s.t, answer.Error, "%s: %s", answer.ID, answer.Reason)
			s.run(scenario{path: "/notes/" + answer.ID + "/x", has: []string{randomText(limit - 1 + i)}})
			continue
		}
		require.Equal(s.t, "too_large", answer.Error, answer.ID)
		require.Equal(s.t, "The attachment is over 100 bytes.", answer.Reason)
	}
}

func TestInlineDataHasNoLengthBesideIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.putAttachment("/notes/d/a", "text/plain", "one")
	s.run(scenario{path: "/notes/d?attachments=true", has: []string{`"data":"b25l"`}, hasNot: []string{`"length"`, `"stub"`}})
}

// What is kept of an attachment while a document is written is many times as long as the text of a stub.
func TestADocumentHasNotAnyNumberOfAttachments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stubs := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":{"stub":true}`, i)
		}
		return `{"_attachments":{` + b.String()[1:] + `}}`
	}
	s.runAll([]scenario{
		{name: "too many", method: http.MethodPut, path: "/notes/many", body: stubs(maxAttachments + 1), status: 413, has: []string{"document_too_large"}},
		{name: "many", method: http.MethodPut, path: "/notes/many", body: stubs(maxAttachments), status: 412},
	})
}

// Android's encoder breaks lines, and PHP's writes \/: what is long comes as what is short does.
func TestEscapedBase64IsDecodedInPieces(t *testing.T) {
	t.Parallel()
	content := make([]byte, 200_000)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	encoded := base64.StdEncoding.EncodeToString(content)
	var wrapped strings.Builder
	for line := range slices.Chunk([]byte(encoded), 76) {
		wrapped.Write(line)
		wrapped.WriteString(`\r\n`)
	}
	escaped := strings.ReplaceAll(strings.ReplaceAll(wrapped.String(), "/", `\/`), "+", `\u002b`)
	for _, text := range []string{encoded, wrapped.String(), escaped} {
		for _, size := range []int{1, 2, 3, 7, 1000, 32 << 10, 1 << 20} {
			var got bytes.Buffer
			_, err := io.CopyBuffer(onlyWriter{&got}, onlyReader{base64Reader([]byte(`"` + text + `"`))}, make([]byte, size))
			require.NoError(t, err, size)
			require.True(t, bytes.Equal(content, got.Bytes()), size)
		}
	}
	for _, text := range []string{`\u00e9\u00e9`, `YQ==\/`, `YQ\u003d\u003dYQ==`, `\\YQ=`, `\ud800`} {
		_, err := io.ReadAll(base64Reader([]byte(`"` + text + `"`)))
		require.ErrorIs(t, err, jsondoc.ErrSyntax, text)
	}
	s := newSite(t)
	s.put("a", `{"_attachments":{"long":{"data":"`+escaped+`"}}}`)
	require.Equal(t, content, s.run(scenario{path: "/notes/a/long"}).Body.Bytes())
}
