package rest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// gate is a public site and an administrator's over one database whose documents say which
// channels they are in (byBody).
type gate struct {
	*site
	admin *Handler
	wires map[*Handler]*wire // for WebSockets, made when they are needed
}

func newGate(tb testing.TB, options ...siteOption) *gate {
	tb.Helper()
	g := &gate{site: newSite(tb, append(options, guests)...)}
	var err error
	g.admin, err = newHandler(Config{
		Store: g.Store, Databases: []string{"*"}, TempDir: tb.TempDir(), Site: auth.Site{Admin: &auth.AdminRule{Loopback: true}},
		Design: g.Design, Views: g.Views,
	}, &fakeAuth{})
	require.NoError(tb, err)
	g.admin.take = g.take
	g.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	return g
}

// give says what an administrator gives somebody: channels, and roles as "role:…".
func (g *gate) give(principal string, all ...string) {
	g.t.Helper()
	given := make([]syncstore.Given, len(all))
	for i, name := range all {
		if role, ok := strings.CutPrefix(name, "role:"); ok {
			given[i].Role = role
		} else {
			given[i].Channel = name
		}
	}
	require.NoError(g.t, g.Store.Records().Update(g.t.Context(), func(tx syncstore.RecordTx) error {
		tx.SetGrants(g.db.ID(), principal, syncstore.GrantedByAdmin, given)
		return nil
	}))
}

// as sends a request for somebody: "admin", "" for a guest, or a user.
func (g *gate) as(who, method, path, body string, header ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	h := g.Handler
	switch who {
	case "admin":
		h = g.admin
	case "":
	default:
		r.Header.Set("Authorization", "Bearer "+who)
	}
	w := httptest.NewRecorder()
	serveNoted(h, w, r, http.NotFoundHandler())
	return w
}

// stored is a document of the administrator's.
type stored struct{ id, rev string }

// store writes a document with an attachment as the administrator; the text of both is the
// ID, with a word before it.
func (g *gate) store(id, rev string, channels ...string) stored {
	g.t.Helper()
	body := fmt.Sprintf(`{"text":"body-of-%s","channels":%s,"_attachments":{"att":{"content_type":"text/plain","data":%q}}}`,
		id, quotedList(channels), base64.StdEncoding.EncodeToString([]byte("content-of-"+id)))
	w := g.as("admin", http.MethodPut, "/notes/"+id+"?rev="+rev, body)
	require.Equal(g.t, http.StatusCreated, w.Code, w.Body)
	return stored{id, strings.Trim(w.Header().Get("Etag"), `"`)}
}

func (g *gate) remove(doc stored) stored {
	g.t.Helper()
	w := g.as("admin", http.MethodDelete, "/notes/"+doc.id+"?rev="+doc.rev, "", "Content-Type", "application/json")
	require.Equal(g.t, http.StatusOK, w.Code, w.Body)
	return stored{doc.id, strings.Trim(w.Header().Get("Etag"), `"`)}
}

func quotedList(list []string) []byte {
	b := []byte{'['}
	for i, text := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsondoc.AppendString(b, text)
	}
	return append(b, ']')
}

// readPath is a way to a document. It answers for one that is there and may be read with
// something that has the word has in it.
type readPath struct {
	name   string
	method string
	path   string // ID and REV stand for the document's
	body   string
	accept string
	has    string // "body", "content", "id", or "" if only the status tells
	// list: the document is found, not named: it is not in the answer at all if it may not
	// be read.
	list bool
	// socket: the path is a feed on a WebSocket, and body its options.
	socket bool
}

// offers reports whether the path compares revisions: the document is in the answer if it is
// not there.
func (p *readPath) offers() bool { return p.name == "_revs_diff" || p.name == "_missing_revs" }

func readPaths() []readPath {
	paths := []readPath{
		{name: "GET", path: "ID", has: "body"},
		{name: "HEAD", method: http.MethodHead, path: "ID"},
		{name: "GET with all there is", path: "ID?revs=true&conflicts=true&meta=true&local_seq=true", has: "body"},
		{name: "GET with attachments", path: "ID?attachments=true", has: "body"},
		{name: "GET in parts", path: "ID?attachments=true", accept: "multipart/related", has: "content"},
		{name: "GET of a revision", path: "ID?rev=REV", has: "body"},
		{name: "GET of the latest", path: "ID?rev=REV&latest=true", has: "body"},
		{name: "open_revs=all", path: "ID?open_revs=all", has: "body"},
		{name: "open_revs", path: `ID?open_revs=["REV"]&revs=true`, has: "body"},
		{name: "open_revs, latest", path: `ID?open_revs=["REV"]&latest=true`, has: "body"},
		{name: "open_revs in parts", path: `ID?open_revs=["REV"]`, accept: "multipart/mixed", has: "content"},
		{name: "attachment", path: "ID/att", has: "content"},
		{name: "attachment of a revision", path: "ID/att?rev=REV", has: "content"},
		{name: "HEAD of an attachment", method: http.MethodHead, path: "ID/att"},
		{name: "_bulk_get", method: http.MethodPost, path: "_bulk_get", body: `{"docs":[{"id":"ID"}]}`, has: "body"},
		{name: "_bulk_get of a revision", method: http.MethodPost, path: "_bulk_get?revs=true&attachments=true", body: `{"docs":[{"id":"ID","rev":"REV"}]}`, has: "body"},
		{name: "_bulk_get, latest", method: http.MethodPost, path: "_bulk_get?latest=true", body: `{"docs":[{"id":"ID","rev":"REV"}]}`, has: "body"},
		{name: "_bulk_get in parts", method: http.MethodPost, path: "_bulk_get?attachments=true", body: `{"docs":[{"id":"ID","rev":"REV"}]}`, accept: "multipart/mixed", has: "content"},
		{name: "_all_docs of keys", method: http.MethodPost, path: "_all_docs?include_docs=true", body: `{"keys":["ID"]}`, has: "body"},
		{name: "_all_docs of a key", path: `_all_docs?key="ID"&include_docs=true`, has: "body", list: true},
		{name: "_all_docs", path: "_all_docs", has: "id", list: true},
		{name: "_all_docs with documents", path: "_all_docs?include_docs=true&attachments=true&descending=true", has: "body", list: true},
		{name: "_all_docs/queries", method: http.MethodPost, path: "_all_docs/queries", body: `{"queries":[{"key":"ID","include_docs":true}]}`, has: "body", list: true},
		{name: "_all_docs/queries of keys", method: http.MethodPost, path: "_all_docs/queries", body: `{"queries":[{"keys":["ID"],"include_docs":true}]}`, has: "body"},
		{name: "_missing_revs", method: http.MethodPost, path: "_missing_revs", body: `{"ID":["REV"]}`},
		{name: "_revs_diff", method: http.MethodPost, path: "_revs_diff", body: `{"ID":["REV"]}`},
		{name: "_changes of one", path: `_changes?filter=_doc_ids&doc_ids=["ID"]&include_docs=true`, has: "body", list: true},
		{name: "_changes by channel", path: "_changes?filter=sync_gateway/bychannel&channels=*&include_docs=true", has: "body", list: true},
	}
	paths = append(paths, readPath{
		name: "_changes by a function", path: "_changes?filter=paths/all&include_docs=true", has: "body", list: true,
	}, readPath{
		name: "_changes by a view", path: "_changes?filter=_view&view=paths/all&include_docs=true", has: "body", list: true,
	}, readPath{
		name: "a view", path: "_design/paths/_view/all", has: "body", list: true,
	}, readPath{
		name: "a view with documents", path: `_design/paths/_view/all?key="ID"&include_docs=true&attachments=true`, has: "body", list: true,
	}, readPath{
		name: "a view, backwards", path: `_design/paths/_view/all?startkey="ID"&descending=true&limit=1&stale=ok`, has: "id",
		list: true,
	}, readPath{
		name: "a view of keys", method: http.MethodPost, path: "_design/paths/_view/all", body: `{"keys":["ID"]}`, has: "body", list: true,
	}, readPath{
		name: "several queries of a view", method: http.MethodPost, path: "_design/paths/_view/all/queries",
		body: `{"queries":[{"key":"ID"},{"include_docs":true}]}`, has: "body", list: true,
	}, readPath{
		name: "linked documents of a view", path: "_design/paths/_view/links?include_docs=true", has: "body", list: true,
	}, readPath{
		name: "_find", method: http.MethodPost, path: "_find", body: `{"selector":{"channels":{"$exists":true},"_id":{"$gte":"ID"}}}`, has: "body", list: true,
	}, readPath{
		name: "_find by ID", method: http.MethodPost, path: "_find", body: `{"selector":{"_id":"ID"},"execution_stats":true,"conflicts":true}`, has: "body", list: true,
	}, readPath{
		name: "_find by an index", method: http.MethodPost, path: "_find", body: `{"selector":{"text":"body-of-ID"},"fields":["text"]}`, has: "body", list: true,
	}, readPath{
		name: "_find in order", method: http.MethodPost, path: "_find", body: `{"selector":{"text":{"$gt":null}},"sort":[{"text":"desc"}],"fields":["_id"]}`, has: "id",
		list: true,
	}, readPath{
		name: "_changes by a selector", method: http.MethodPost, path: "_changes?filter=_selector&include_docs=true",
		body: `{"selector":{"text":"body-of-ID"}}`, has: "body", list: true,
	})
	for _, feed := range []string{"normal", "longpoll", "continuous", "eventsource"} {
		path := "_changes?timeout=0&feed=" + feed
		paths = append(paths,
			readPath{name: feed, path: path, has: "id", list: true},
			readPath{name: feed + " with documents", path: path + "&include_docs=true&attachments=true&conflicts=true&style=all_docs", has: "body", list: true},
			readPath{name: feed + " backwards", path: path + "&descending=true&include_docs=true", has: "body", list: true},
			readPath{name: feed + " by POST", method: http.MethodPost, path: path, body: `{"include_docs":true,"active_only":true,"revocations":true}`, has: "body", list: true})
	}
	return append(paths,
		readPath{name: "websocket", path: "_changes?feed=websocket", body: `{}`, has: "id", list: true, socket: true},
		readPath{
			name: "websocket with documents", path: "_changes?feed=websocket", socket: true,
			body: `{"include_docs":true,"conflicts":true,"style":"all_docs","accept_encoding":"gzip"}`, has: "body", list: true,
		},
		readPath{
			name: "websocket by channel", path: "_changes?feed=websocket", socket: true,
			body: `{"filter":"sync_gateway/bychannel","channels":"*","revocations":true}`, has: "id", list: true,
		})
}

// listen reads a feed on a WebSocket until it has caught up.
func (g *gate) listen(who, path, options string) string {
	g.t.Helper()
	h := g.Handler
	if who == "admin" {
		h, who = g.admin, ""
	}
	if g.wires == nil {
		g.wires = map[*Handler]*wire{}
	}
	if g.wires[h] == nil {
		g.wires[h] = newWire(g.t, h)
	}
	s, _, err := g.wires[h].dial(who, path)
	require.NoError(g.t, err)
	require.NoError(g.t, s.ws.Write(g.t.Context(), websocket.MessageText, []byte(options)))
	var all strings.Builder
	for {
		message := s.next()
		if message == "[]" {
			require.NoError(g.t, s.ws.CloseNow())
			return all.String()
		}
		all.WriteString(message)
	}
}

// giveViews stores what readPaths ask for of a design document, and gives its views to users.
func (g *gate) giveViews() {
	g.t.Helper()
	before := g.Database
	g.Database = func(name string) Policy {
		p := before(name)
		p.Collection = func(string, string) CollectionPolicy {
			return CollectionPolicy{UserView: func(design, view string) bool { return design == "paths" && view != "hidden" }}
		}
		return p
	}
	const body = `{"filters":{"all":"function () { return true }"},"views":{
		"all":{"map":"function (doc) { emit(doc._id, doc) }"},
		"links":{"map":"function (doc) { emit(null, {_id: doc._id}) }"},
		"count":{"map":"function (doc) { emit(doc._id, doc) }","reduce":"_count"},
		"hidden":{"map":"function (doc) { emit(doc._id, doc) }"}}}`
	// In one line, as tests that read feeds line by line want documents.
	w := g.as("admin", http.MethodPut, "/notes/_design/paths", strings.NewReplacer("\n", "", "\t", "").Replace(body))
	require.Equal(g.t, http.StatusCreated, w.Code, w.Body)
	w = g.as("admin", http.MethodPost, "/notes/_index", `{"index":{"fields":["text"]},"ddoc":"find","name":"text"}`)
	require.Equal(g.t, http.StatusOK, w.Code, w.Body)
}

// try takes a path to a document; the answer has the ID and the revision by their words.
func (g *gate) try(who string, p readPath, doc stored) (status int, answer string) {
	g.t.Helper()
	fill := strings.NewReplacer("ID", doc.id, "REV", doc.rev)
	path, query, _ := strings.Cut(fill.Replace(p.path), "?")
	if query != "" {
		values, err := url.ParseQuery(query)
		require.NoError(g.t, err)
		path += "?" + values.Encode()
	}
	method := p.method
	if method == "" {
		method = http.MethodGet
	}
	header := []string{}
	if p.accept != "" {
		header = []string{"Accept", p.accept}
	}
	if p.socket {
		answer := g.listen(who, "/notes/"+path, p.body)
		return http.StatusOK, strings.NewReplacer(doc.id, "ID", doc.rev, "REV").Replace(answer)
	}
	w := g.as(who, method, "/notes/"+path, fill.Replace(p.body), header...)
	var all bytes.Buffer
	for _, key := range []string{"Etag", "Content-Length", "Content-Type", "Content-Disposition"} {
		value := w.Header().Get(key)
		if _, parameter, ok := strings.Cut(value, "boundary="); ok {
			value = "parts"
			w.Body = bytes.NewBuffer(bytes.ReplaceAll(w.Body.Bytes(), []byte(strings.Trim(parameter, `"`)), []byte("boundary")))
		}
		if key != "Content-Length" {
			fmt.Fprintf(&all, "%s: %s\n", key, value)
		}
	}
	all.Write(w.Body.Bytes())
	return w.Code, strings.NewReplacer(doc.id, "ID", doc.rev, "REV").Replace(all.String())
}

// F98: the channel ! is a guest's too, and * shows everything.
//
// Whoever may read a document gets it on every way, and for everybody else it is on no way
// that it is there: each answers as for a document that there is none of.
func TestEveryPathSaysTheSame(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.giveViews()
	g.give(syncstore.RolePrincipal("staff"), "role:staff", "b")
	g.give(syncstore.RolePrincipal("former"), "c")
	g.give("alice", "a")
	g.give("bob", "role:staff", "role:former", "role:never")
	g.give("carol", "a", "b")
	g.give("carol", "b")
	g.give("star", "*")
	w := g.as("admin", http.MethodPut, "/notes/grants", `{"channels":[],"grants":{"dave":["d"],"erin":["role:staff"]}}`)
	require.Equal(t, http.StatusCreated, w.Code)
	nobody := []string{}
	for _, test := range []struct {
		id       string
		channels []string
		readers  []string // besides "star" and "admin"
	}{
		{"everybodys1", []string{"!"}, []string{"alice", "bob", "carol", "dave", "erin", "stranger", ""}},
		{"ofa1", []string{"a"}, []string{"alice"}},
		{"ofb1", []string{"b"}, []string{"bob", "carol", "erin"}},
		{"ofab1", []string{"a", "b"}, []string{"alice", "bob", "carol", "erin"}},
		{"ofc1", []string{"c"}, nobody}, // a role that is not there gives nothing
		{"ofd1", []string{"d"}, []string{"dave"}},
		{"ofnone1", nil, nobody},
		{"star1", []string{"*"}, nobody}, // it is no channel of everybody's (B.1)
	} {
		doc := g.store(test.id, "", test.channels...)
		for _, who := range []string{"admin", "star", "alice", "bob", "carol", "dave", "erin", "stranger", ""} {
			reads := who == "admin" || who == "star" || slices.Contains(test.readers, who)
			for _, p := range readPaths() {
				g.check(t, who, p, doc, reads)
			}
		}
	}
}

func (g *gate) check(t *testing.T, who string, p readPath, doc stored, reads bool) {
	t.Helper()
	about := fmt.Sprintf("%q reads %s by %s", who, doc.id, p.name)
	status, answer := g.try(who, p, doc)
	word := map[string]string{"body": "body-of-ID", "content": "content-of-ID", "id": "ID", "": ""}[p.has]
	if reads {
		require.Equal(t, http.StatusOK, status, "%s: %s", about, answer)
		require.Contains(t, answer, word, about)
		if p.offers() {
			require.NotContains(t, answer, "ID", about)
		}
		return
	}
	if p.list {
		require.Equal(t, http.StatusOK, status, "%s: %s", about, answer)
		require.NotContains(t, answer, "ID", about)
		return
	}
	elsewhere, nothing := g.try(who, p, stored{"nothing1", doc.rev})
	require.Equal(t, elsewhere, status, about)
	require.Equal(t, nothing, answer, about)
	require.NotContains(t, answer, "content-of", about)
	require.NotContains(t, answer, "body-of", about)
}

// F99: the database may say that both are forbidden, as Sync Gateway's
// force_api_forbidden_errors.
func TestF99_UnreadableAndMissingMayBothBeForbidden(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(c *Config, _ *fakeAuth) { c.Database = func(string) Policy { return Policy{Forbidden: true} } })
	g.giveViews()
	g.give("alice", "a")
	doc := g.store("ofb1", "", "b")
	gone := g.remove(g.store("ofa1", "", "a"))
	const refused = `{"error":"forbidden","reason":"forbidden"}`
	for _, p := range readPaths() {
		g.check(t, "alice", p, doc, false)
		status, answer := g.try("alice", p, doc)
		switch {
		case p.list || p.offers():
		case strings.HasPrefix(p.name, "_bulk_get"), strings.HasPrefix(p.name, "_all_docs"):
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, answer, `"error":"forbidden"`, p.name)
		case strings.HasPrefix(p.name, "open_revs") && p.name != "open_revs=all":
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, answer, `{"missing":"REV"}`, p.name)
		default:
			require.Equal(t, http.StatusForbidden, status, p.name)
		}
	}
	for _, c := range []struct{ method, path string }{
		{http.MethodGet, "ofb1"}, {http.MethodGet, "none"}, {http.MethodGet, "ofb1/att"},
		{http.MethodDelete, "ofb1?rev=" + doc.rev}, {http.MethodDelete, "none?rev=" + doc.rev}, {http.MethodDelete, "ofb1/att"},
	} {
		w := g.as("alice", c.method, "/notes/"+c.path, "")
		require.Equal(t, http.StatusForbidden, w.Code, c)
		require.Equal(t, refused, strings.TrimSpace(w.Body.String()), c)
	}
	require.Equal(t, http.StatusNotFound, g.as("alice", http.MethodGet, "/notes/"+gone.id, "").Code, "a tombstone may be read")
	require.Equal(t, http.StatusNotFound, g.as("admin", http.MethodGet, "/notes/none", "").Code)
	require.Equal(t, http.StatusNotFound, g.as("alice", http.MethodGet, "/notes/_local/none", "").Code, "a checkpoint is one's own")
}

// B.5: a revision of a document that was lost is a stub; without its name it is not there.
func TestDocumentsThatWereLostLeaveAStub(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.giveViews()
	g.give("alice", "a", "lost")
	first := g.store("left1", "", "a")
	left := g.store("left1", first.rev, "b")
	revoked := g.store("revoked1", "", "lost")
	g.give("alice", "a")
	for _, doc := range []stored{left, revoked} {
		stub := `{"_id":"ID","_rev":"REV","_removed":true`
		for _, p := range readPaths() {
			status, answer := g.try("alice", p, doc)
			require.NotContains(t, answer, "body-of", p.name)
			require.NotContains(t, answer, "content-of", p.name)
			byName := strings.Contains(p.path+p.body, "REV")
			switch {
			case p.list || strings.HasPrefix(p.name, "attachment") || p.offers() || strings.HasSuffix(p.name, "latest"):
			case byName:
				require.Equal(t, http.StatusOK, status, p.name)
				require.Contains(t, answer, stub, p.name)
				require.NotContains(t, answer, `Etag: "`, "%s: it may come back", p.name)
			case p.method != http.MethodPost:
				require.Equal(t, http.StatusNotFound, status, p.name)
			}
		}
		status, answer := g.try("alice", readPath{path: "ID?rev=REV&revs=true&revs_info=true&conflicts=true&local_seq=true"}, doc)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, answer, stub+`,"_revisions":{"start":`)
		require.NotContains(t, answer, "_revs_info")
		require.NotContains(t, answer, "_local_seq")
		for _, write := range []struct{ method, path, body string }{
			{http.MethodPut, doc.id + "/att?rev=" + doc.rev, "x"}, {http.MethodDelete, doc.id + "/att?rev=" + doc.rev, ""},
			{http.MethodDelete, doc.id + "?rev=" + doc.rev, ""},
			{http.MethodPut, doc.id, `{"_rev":"` + doc.rev + `","_removed":true}`},
		} {
			w := g.as("alice", write.method, "/notes/"+write.path, write.body)
			require.Contains(t, []int{http.StatusNotFound, http.StatusConflict}, w.Code, write)
		}
		require.Contains(t, g.as("admin", http.MethodGet, "/notes/"+doc.id, "").Body.String(), "body-of")
	}
}

// Tombstones keep their channels, and are told to who saw the document (D.7).
func TestTombstonesAreForTheirReaders(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a")
	g.give("bob", "b")
	doc := g.remove(g.store("gone1", "", "a"))
	for who, reads := range map[string]bool{"alice": true, "bob": false, "": false, "admin": true} {
		for _, feed := range []string{"normal", "longpoll", "continuous", "eventsource"} {
			_, answer := g.try(who, readPath{path: "_changes?timeout=0&feed=" + feed}, doc)
			require.Equal(t, reads, strings.Contains(answer, `"deleted":true`), "%s %s", who, feed)
			require.Equal(t, reads, strings.Contains(answer, "ID"), "%s %s", who, feed)
			_, answer = g.try(who, readPath{path: "_changes?timeout=0&active_only=true&feed=" + feed}, doc)
			require.NotContains(t, answer, "ID", "active_only")
		}
		reason := map[bool]string{true: "deleted", false: "missing"}[reads]
		status, answer := g.try(who, readPath{path: "ID"}, doc)
		require.Equal(t, http.StatusNotFound, status)
		require.Contains(t, answer, `"reason":"`+reason+`"`, who)
		_, answer = g.try(who, readPath{method: http.MethodPost, path: "_all_docs", body: `{"keys":["ID"]}`}, doc)
		require.Equal(t, reads, strings.Contains(answer, `"deleted":true`), who)
		require.Equal(t, !reads, strings.Contains(answer, `"error":"not_found"`), who)
	}
}

// Counts are for those who see everything.
func TestCountsAreForThoseWhoSeeEverything(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a")
	g.give("star", "*")
	for i := range 5 {
		g.store(fmt.Sprintf("a%d", i), "", "a")
		g.store(fmt.Sprintf("b%d", i), "", "b")
	}
	g.remove(g.store("gone", "", "b"))
	for _, who := range []string{"admin", "star"} {
		require.Contains(t, g.as(who, http.MethodGet, "/notes", "").Body.String(), `"doc_count":10,"doc_del_count":1,`)
		require.Contains(t, g.as(who, http.MethodGet, "/notes/_all_docs?limit=2&skip=1", "").Body.String(), `{"total_rows":10,"offset":1,`)
	}
	require.Contains(t, g.as("admin", http.MethodGet, "/notes/_changes?limit=2", "").Body.String(), `"pending":`)
	info := g.as("alice", http.MethodGet, "/notes", "").Body.String()
	require.NotContains(t, info, "doc_count")
	require.NotContains(t, info, "doc_del_count")
	require.Contains(t, info, `"update_seq":"`)
	require.Contains(t, g.as("alice", http.MethodGet, "/notes/_all_docs", "").Body.String(), `],"total_rows":5,"offset":0}`)
	require.Contains(t, g.as("alice", http.MethodGet, "/notes/_all_docs?limit=2&skip=1", "").Body.String(), `],"total_rows":2,"offset":1}`)
	require.NotContains(t, g.as("alice", http.MethodGet, "/notes/_changes?limit=2", "").Body.String(), "pending")
	require.NotContains(t, g.as("alice", http.MethodGet, "/notes/_changes?limit=4&feed=continuous", "").Body.String(), "pending")
}

// A write is for the sync function to judge; what the writer may not read it does not show.
func TestWritesDoNotShowWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a")
	doc := g.store("ofb1", "", "b")
	for _, write := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodDelete, "ofb1?rev=" + doc.rev, "", http.StatusNotFound},
		{http.MethodDelete, "ofb1", "", http.StatusNotFound},
		{http.MethodDelete, "ofb1/att", "", http.StatusNotFound},
		{http.MethodDelete, "ofb1/att?rev=" + doc.rev, "", http.StatusConflict},
		{http.MethodPut, "ofb1/att?rev=" + doc.rev, "new", http.StatusConflict},
		{http.MethodPut, "ofb1", `{"requires":["b"]}`, http.StatusConflict},
		{http.MethodPut, "new", `{"requires":["b"]}`, http.StatusForbidden},
		{http.MethodPut, "new", `{"requires":["a"],"channels":["b"]}`, http.StatusCreated},
	} {
		w := g.as("alice", write.method, "/notes/"+write.path, write.body)
		require.Equal(t, write.status, w.Code, "%+v: %s", write, w.Body)
		require.NotContains(t, w.Body.String(), "of-ofb1")
	}
	require.Equal(t, http.StatusNotFound, g.as("alice", http.MethodGet, "/notes/new", "").Code, "written, and not readable")
}

func TestLocalDocumentsAreTheirWritersOwn(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("star", "*")
	w := g.as("alice", http.MethodPut, "/notes/_local/cp", `{"of":"alice"}`)
	require.Equal(t, http.StatusCreated, w.Code)
	for _, who := range []string{"bob", "star", "", "admin"} {
		require.Equal(t, http.StatusNotFound, g.as(who, http.MethodGet, "/notes/_local/cp", "").Code, who)
	}
	require.Contains(t, g.as("alice", http.MethodGet, "/notes/_local/cp", "").Body.String(), "alice")
}
