package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

func TestDocumentRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body := `{"n":12345678901234567890,"d":0.10000000000000000001,"s":"\u00e9\/","o":{"b":1,"a":2}}`
	rev := s.put("doc1", body)
	require.True(t, strings.HasPrefix(rev, "1-"))
	w := s.run(scenario{path: "/notes/doc1", headers: map[string]string{
		"Etag": `"` + rev + `"`, "Content-Type": "application/json",
	}})
	require.Equal(t, `{"_id":"doc1","_rev":"`+rev+`",`+body[1:], w.Body.String(), "numbers, escapes and order stay")

	s.runAll([]scenario{
		{name: "known tag", path: "/notes/doc1", header: map[string]string{"If-None-Match": `"` + rev + `"`}, status: 304},
		{name: "weak tag in a list", path: "/notes/doc1", header: map[string]string{"If-None-Match": `"x", W/"` + rev + `"`}, status: 304},
		{name: "other tag", path: "/notes/doc1", header: map[string]string{"If-None-Match": `"1-x"`}},
		{name: "known tag with a rev", path: "/notes/doc1?rev=" + rev, header: map[string]string{"If-None-Match": `"` + rev + `"`}, status: 304},
		{name: "head", method: http.MethodHead, path: "/notes/doc1"},
		{name: "not there", path: "/notes/doc2", status: 404, has: []string{`{"error":"not_found","reason":"missing"}`}},
		{name: "no such revision", path: "/notes/doc1?rev=7-abc", status: 404, has: []string{`"reason":"missing"`}},
		{name: "no revision", path: "/notes/doc1?rev=abc", status: 400, has: []string{`"error":"bad_request"`}},
		{name: "odd flag", path: "/notes/doc1?revs=maybe", status: 400},
		{name: "malformed query", path: "/notes/doc1?rev=%zz", status: 400, has: []string{"query"}},
		{name: "method", method: http.MethodPatch, path: "/notes/doc1", status: 405, headers: map[string]string{
			"Allow": "GET, HEAD, PUT, DELETE, COPY, OPTIONS",
		}},
	})
}

func TestEmptyBodiesKeepTheirBraces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("empty", ` { } `)
	w := s.run(scenario{path: "/notes/empty"})
	require.Equal(t, `{"_id":"empty","_rev":"`+rev+`"}`, w.Body.String())
}

func TestDocumentIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	for path, id := range map[string]string{
		"a%2Fb":           `a/b`,
		"_design/x":       `_design/x`,
		"_design%2Fy":     `_design/y`,
		"caf%C3%A9%20%22": `café \"`,
		"plus+sign":       `plus+sign`,
		"%25":             `%`,
	} {
		rev := s.put(path, `{"x":1}`)
		s.run(scenario{name: id, path: "/notes/" + path, has: []string{`{"_id":"` + id + `","_rev":"` + rev + `"`}})
	}
	put := func(name, path string) scenario {
		return scenario{
			name: name, method: http.MethodPut, path: path, body: `{}`, status: 400, has: []string{`"error":"illegal_docid"`},
		}
	}
	s.runAll([]scenario{
		put("underscore", "/notes/_foo"),
		put("escaped underscore", "/notes/%5Ffoo"),
		put("nothing", "/notes//att"),
		put("design without a name", "/notes/_design/"),
		put("too long", "/notes/"+strings.Repeat("x", 2049)),
		put("control character", "/notes/a%00b"),
		put("not UTF-8", "/notes/a%ffb"),
		{name: "unknown endpoint", path: "/notes/_nothing", status: 404},
		{name: "unknown endpoint", method: http.MethodPost, path: "/notes/_nothing", body: `{}`, status: 404},
		{name: "attachment of a local", path: "/notes/_local/x/y", status: 400, has: []string{"_local documents do not accept attachments."}},
	})
}

func TestPutChecksRevisions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("d", `{"v":1}`)
	put := func(name, query, body string, status int, has string) scenario {
		return scenario{name: name, method: http.MethodPut, path: "/notes/d" + query, body: body, status: status, has: []string{has}}
	}
	conflict := `{"error":"conflict","reason":"Document update conflict."}`
	s.runAll([]scenario{
		put("no revision", "", `{"v":2}`, 409, conflict),
		put("another revision", "?rev=1-abc", `{"v":2}`, 409, conflict),
		put("no revision at all", "?rev=zzz", `{"v":2}`, 400, "bad_request"),
		put("generation overflows", "?rev=99999999999999999999-abc", `{"v":2}`, 400, "bad_request"),
		put("generation zero", "?rev=0-abc", `{"v":2}`, 400, "bad_request"),
		put("empty _rev", "", `{"_rev":"","v":2}`, 400, "bad_request"),
		put("_rev is a number", "", `{"_rev":1,"v":2}`, 400, "bad_request"),
		put("revisions differ", "?rev="+rev, `{"_rev":"1-abc"}`, 400, "differ"),
		put("_id differs", "", `{"_id":"e"}`, 400, "_id"),
		put("_id is a number", "", `{"_id":1}`, 400, "illegal_docid"),
		put("new document with a revision", "x?rev=1-abc", `{}`, 409, conflict),
		put("bad new_edits", "?new_edits=no", `{}`, 400, "new_edits"),
	})
	s.run(scenario{
		name: "all three agree", method: http.MethodPut, path: "/notes/d?rev=" + rev, body: `{"_id":"d","_rev":"` + rev + `","v":2}`,
		header: map[string]string{"If-Match": `"` + rev + `"`}, status: 201, has: []string{`{"ok":true,"id":"d","rev":"2-`},
	})
	second := s.run(scenario{path: "/notes/d"}).Header().Get("Etag")
	s.runAll([]scenario{
		{name: "tombstone by PUT", method: http.MethodPut, path: "/notes/d", body: `{"_deleted":true}`, header: map[string]string{"If-Match": second}, status: 200},
		{name: "gone", path: "/notes/d", status: 404, has: []string{`"reason":"deleted"`}},
		{name: "again", method: http.MethodPut, path: "/notes/d", body: `{"v":4}`, status: 201, has: []string{`"rev":"4-`}},
	})
}

// Caddy's encode, and Apache, add the encoding to the tag of what they compress (RFC 9110 section 8.8.3.3), and
// others make it a weak one.
func TestIfMatchTakesTheTagOfACompressedAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	etag := `"` + s.put("d", `{"v":1}`) + `"`
	tagged := func(etag string) map[string]string { return map[string]string{"If-Match": etag} }
	for _, suffix := range []string{"-gzip", "-zstd", "-br", ""} {
		for _, weak := range []string{"", "W/"} {
			changed := weak + strings.TrimSuffix(etag, `"`) + suffix + `"`
			w := s.run(scenario{name: changed, method: http.MethodPut, path: "/notes/d", body: `{"v":2}`, header: tagged(changed), status: 201})
			etag = w.Header().Get("Etag")
		}
	}
	changed := strings.TrimSuffix(etag, `"`) + `-gzip"`
	s.runAll([]scenario{
		{name: "another revision", method: http.MethodPut, path: "/notes/d", body: `{}`, header: tagged(`"1-abc-gzip"`), status: 409},
		{name: "in the query it is a name", method: http.MethodPut, path: "/notes/d?rev=" + strings.Trim(changed, `"`), body: `{}`, status: 409},
		{name: "an attachment", method: http.MethodPut, path: "/notes/d/a", body: `x`, header: tagged(changed), status: 201},
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("d", `{}`)
	remove := func(path string, status int, has string) scenario {
		return scenario{method: http.MethodDelete, path: path, status: status, has: []string{has}}
	}
	s.runAll([]scenario{
		remove("/notes/none", 404, `"reason":"missing"`),
		remove("/notes/none?rev=1-abc", 404, `"reason":"missing"`),
		remove("/notes/d", 409, "conflict"),
		remove("/notes/d?rev=1-abc", 409, "conflict"),
		remove("/notes/d?rev="+rev, 200, `{"ok":true,"id":"d","rev":"2-`),
		remove("/notes/d?rev="+rev, 404, `"reason":"deleted"`),
	})
}

func TestPostMakesIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.run(scenario{method: http.MethodPost, path: "/notes", body: `{"a":1}`, status: 201, has: []string{`"rev":"1-`}})
	location := w.Header().Get("Location")
	require.Regexp(t, `^/notes/[0-9a-f]{32}$`, location)
	s.runAll([]scenario{
		{name: "there", path: location, has: []string{`"a":1`}},
		{name: "with an ID", method: http.MethodPost, path: "/notes/", body: `{"_id":"x/y"}`, status: 201, headers: map[string]string{"Location": "/notes/x%2Fy"}},
		{name: "twice", method: http.MethodPost, path: "/notes", body: `{"_id":"x/y"}`, status: 409},
		{name: "empty ID", method: http.MethodPost, path: "/notes", body: `{"_id":""}`, status: 400, has: []string{"illegal_docid"}},
		{name: "reserved ID", method: http.MethodPost, path: "/notes", body: `{"_id":"_x"}`, status: 400, has: []string{"illegal_docid"}},
		{
			name: "form", method: http.MethodPost, path: "/notes", body: `{"a":1}`, status: 415,
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, has: []string{"bad_content_type"},
		},
	})
}

func TestDecision26_BadBodiesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, body := range map[string]string{
		"empty":               ``,
		"malformed":           `{"a":`,
		"trailing":            `{} {}`,
		"array":               `[]`,
		"string":              `"x"`,
		"null":                `null`,
		"duplicate":           `{"a":1,"a":2}`,
		"duplicate below":     `{"o":{"a":1,"a":2}}`,
		"invalid UTF-8":       "{\"a\":\"\xff\"}",
		"too deep":            `{"a":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`,
		"unknown member":      `{"_foo":1}`,
		"expiry":              `{"_exp":"soon"}`,
		"expiry of a list":    `{"_exp":[1]}`,
		"_deleted is a text":  `{"_deleted":"true"}`,
		"attachments array":   `{"_attachments":[]}`,
		"attachment number":   `{"_attachments":{"a":1}}`,
		"attachment nothing":  `{"_attachments":{"a":{}}}`,
		"attachment _name":    `{"_attachments":{"_a":{"data":""}}}`,
		"attachment no name":  `{"_attachments":{"":{"data":""}}}`,
		"attachment digest":   `{"_attachments":{"a":{"data":"","digest":"sha256-x"}}}`,
		"attachment base64":   `{"_attachments":{"a":{"data":"!!!!"}}}`,
		"attachment unpadded": `{"_attachments":{"a":{"data":"YQ"}}}`,
		"attachment padded":   `{"_attachments":{"a":{"data":"YQ==YQ=="}}}`,
		"attachment revpos":   `{"_attachments":{"a":{"data":"","revpos":-1}}}`,
		"attachment type":     `{"_attachments":{"a":{"data":"","content_type":"a\nb"}}}`,
		"attachment follows":  `{"_attachments":{"a":{"follows":true}}}`,
		"attachment encoding": `{"_attachments":{"a":{"data":"","encoding":"br"}}}`,
	} {
		s.run(scenario{name: name, method: http.MethodPut, path: "/notes/bad", body: body, status: 400, has: []string{`"error":"`}})
	}
	s.runAll([]scenario{
		{name: "unknown member's name", method: http.MethodPut, path: "/notes/bad", body: `{"_foo":1}`, status: 400, has: []string{`"error":"doc_validation"`, "_foo"}},
		{name: "nothing was stored", path: "/notes/bad", status: 404, has: []string{"missing"}},
		{
			name: "what reads add is ignored", method: http.MethodPut, path: "/notes/good", status: 201,
			body: `{"_revs_info":[],"_conflicts":[],"_deleted_conflicts":[],"_local_seq":3,"_deleted":false,"a":1}`,
		},
		{name: "and not stored", path: "/notes/good", hasNot: []string{"_local_seq", "_conflicts"}},
	})
}

func TestReplicatedRevisions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	put := func(name, body string, status int, has string) scenario {
		return scenario{name: name, method: http.MethodPut, path: "/notes/r?new_edits=false", body: body, status: status, has: []string{has}}
	}
	s.runAll([]scenario{
		put("no revision", `{}`, 400, "bad_request"),
		put("starts elsewhere", `{"_rev":"2-b","_revisions":{"start":3,"ids":["b","a"]}}`, 400, "doc_validation"),
		put("other digest", `{"_rev":"2-b","_revisions":{"start":2,"ids":["c","a"]}}`, 400, "doc_validation"),
		put("below one", `{"_rev":"1-b","_revisions":{"start":1,"ids":["b","a"]}}`, 400, "doc_validation"),
		put("no ids", `{"_rev":"1-b","_revisions":{"start":1,"ids":[]}}`, 400, "doc_validation"),
		put("ids of numbers", `{"_rev":"1-b","_revisions":{"start":1,"ids":[1]}}`, 400, "doc_validation"),
		put("start is a text", `{"_rev":"1-b","_revisions":{"start":"1","ids":["b"]}}`, 400, "doc_validation"),
		put("overflow", `{"_revisions":{"start":99999999999,"ids":["b"]}}`, 400, "doc_validation"),
		put("bad digest", `{"_revisions":{"start":3,"ids":["c","b","a b"]}}`, 400, `"error":"`),
		put("not an object", `{"_revisions":[1]}`, 400, "doc_validation"),
		put("sound", `{"_revisions":{"start":2,"ids":["b","a"]},"v":"b"}`, 201, `"rev":"2-b"`),
		put("again", `{"_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"v":"b"}`, 201, `"rev":"2-b"`),
		put("conflict", `{"_rev":"2-c","_revisions":{"start":2,"ids":["c","a"]},"v":"c"}`, 201, `"rev":"2-c"`),
		put("alone", `{"_rev":"5-e","v":"e"}`, 201, `"rev":"5-e"`),
		{name: "winner", path: "/notes/r?conflicts=true", has: []string{`"_rev":"5-e"`, `"_conflicts":["2-c","2-b"]`}},
		{name: "history", path: "/notes/r?rev=2-b&revs=true", has: []string{`"_revisions":{"start":2,"ids":["b","a"]}`}},
		{name: "infos", path: "/notes/r?rev=2-b&revs_info=true", has: []string{`"_revs_info":[{"rev":"2-b","status":"available"},{"rev":"1-a","status":"missing"}]`}},
		{name: "sequence", path: "/notes/r?local_seq=true", has: []string{`"_local_seq":`}},
		{name: "latest of a losing branch", path: "/notes/r?rev=1-a&latest=true", has: []string{`"_rev":"2-c"`}},
	})
	s.runAll([]scenario{
		{name: "all leaves", path: "/notes/r?open_revs=all", has: []string{`[{"ok":{"_id":"r","_rev":"5-e"`, `"2-c"`, `"2-b"`}},
		{name: "named", path: `/notes/r?open_revs=["2-b","9-z"]&revs=true`, has: []string{`{"ok":{"_id":"r","_rev":"2-b","_revisions"`, `{"missing":"9-z"}`}},
		{name: "latest", path: `/notes/r?open_revs=["1-a"]&latest=true`, has: []string{`"_rev":"2-c"`, `"_rev":"2-b"`}},
		{name: "of nothing", path: `/notes/none?open_revs=["1-a"]`, has: []string{`[{"missing":"1-a"}]`}},
		{name: "all of nothing", path: `/notes/none?open_revs=all`, status: 404},
		{name: "malformed", path: `/notes/r?open_revs=[1]`, status: 400},
		{name: "no revision", path: `/notes/r?open_revs=["x"]`, status: 400},
		{name: "with rev", path: `/notes/r?open_revs=all&rev=2-b`, status: 400},
	})
}

// PouchDB sends the ancestry of 1-a for 2-a below it, since it finds it by the digest. CouchDB goes
// by _revisions then.
func TestReplicatedRevisionsWithTheDigestOfAnAncestor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAll([]scenario{
		{method: http.MethodPut, path: "/notes/r?new_edits=false", body: `{"_rev":"2-a","_revisions":{"start":1,"ids":["a"]}}`, status: 201},
		{path: "/notes/r?revs=true", has: []string{`"_rev":"1-a","_revisions":{"start":1,"ids":["a"]}`}},
		{method: http.MethodPut, path: "/notes/r?new_edits=false", body: `{"_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]}}`, status: 201},
		{path: "/notes/r", has: []string{`"_rev":"2-b"`}},
	})
}

func TestLatestFindsADeletedLeaf(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAll([]scenario{
		{method: http.MethodPut, path: "/notes/r?new_edits=false", body: `{"_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]}}`, status: 201},
		{method: http.MethodPut, path: "/notes/r?new_edits=false", body: `{"_rev":"3-x","_deleted":true,"_revisions":{"start":3,"ids":["x","c","a"]}}`, status: 200},
		{path: "/notes/r?rev=2-c&latest=true", has: []string{`"_rev":"3-x","_deleted":true`}},
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLimits(Limits{Document: 100, Request: 400, Attachment: 50, BulkDocs: 2}))
	long := `{"a":"` + strings.Repeat("x", 100) + `"}`
	huge := `{"a":"` + strings.Repeat("x", 400) + `"}`
	s.runAll([]scenario{
		{name: "document", method: http.MethodPut, path: "/notes/a", body: long, status: 413, has: []string{"document_too_large"}},
		{name: "body", method: http.MethodPut, path: "/notes/a", body: huge, status: 413, has: []string{`"error":"too_large"`}},
		{name: "unpacked body", method: http.MethodPut, path: "/notes/a", body: gzipped(t, huge), header: map[string]string{"Content-Encoding": "gzip"}, status: 413},
		{name: "inline", method: http.MethodPut, path: "/notes/a", body: `{"_attachments":{"a":{"data":"` + strings.Repeat("QUFB", 20) + `"}}}`, status: 413},
		{name: "attachment", method: http.MethodPut, path: "/notes/a/b", body: strings.Repeat("x", 51), status: 413},
		{name: "unpacked attachment", method: http.MethodPut, path: "/notes/a/b", body: gzipped(t, huge), header: map[string]string{"Content-Encoding": "gzip"}, status: 413},
		{name: "attachment at the limit", method: http.MethodPut, path: "/notes/a/b", body: strings.Repeat("x", 50), status: 201},
		{name: "bulk", method: http.MethodPost, path: "/notes/_bulk_docs", body: `{"docs":[{},{},{}]}`, status: 413},
		{name: "bulk get", method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"a"},{"id":"a"},{"id":"a"}]}`, status: 413},
		{name: "a row of a bulk", method: http.MethodPost, path: "/notes/_bulk_docs", body: `{"docs":[{"_id":"ok"},` + long + `]}`, status: 201, has: []string{`{"ok":true,"id":"ok"`, "document_too_large"}},
	})
}

func TestGzipBodies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gzipHeader := map[string]string{"Content-Encoding": "gzip"}
	s.runAll([]scenario{
		{name: "gzip", method: http.MethodPut, path: "/notes/z", body: gzipped(t, `{"a":1}`), header: gzipHeader, status: 201},
		{name: "read", path: "/notes/z", has: []string{`"a":1`}},
		{name: "no gzip", method: http.MethodPut, path: "/notes/y", body: `{"a":1}`, header: gzipHeader, status: 400},
		{name: "cut", method: http.MethodPut, path: "/notes/y", body: gzipped(t, `{"a":1}`)[:12], header: gzipHeader, status: 400},
		{name: "other", method: http.MethodPut, path: "/notes/y", body: `{}`, header: map[string]string{"Content-Encoding": "br"}, status: 415},
	})
}

func TestAppendQuoted(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":              `""`,
		"a/b":           `"a/b"`,
		"q\"\\":         `"q\"\\"`,
		"\n\r\t\x00":    `"\n\r\t\u0000"`,
		"é€😀":           `"é€😀"`,
		"\xffa\xc3":     `"` + "\uFFFDa\uFFFD" + `"`,
		"\u2028<&>\x7f": "\"\u2028<&>\x7f\"",
	} {
		require.Equal(t, want, string(jsondoc.AppendString(nil, in)))
		require.Equal(t, want, string(jsondoc.AppendString(nil, []byte(in))))
	}
}

func TestAnswersOfSyncstoreErrors(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{
		syncstore.ErrInsufficientStorage: 507, syncstore.ErrUnavailable: 503, syncstore.ErrClockAhead: 503, syncstore.ErrIndexDropped: 503,
		syncstore.ErrMissingStub: 412, syncstore.ErrRejected: 403, syncstore.ErrDamaged: 500,
		syncstore.ErrNoDatabase: 404, syncstore.ErrTooLarge: 413,
	} {
		require.Equal(t, want, asAnswer(err).status, err)
	}
	require.Positive(t, asAnswer(syncstore.ErrUnavailable).retryAfter)
	require.NotContains(t, asAnswer(syncstore.ErrDamaged).reason, "damaged", "the log's business")
}
