package dump

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADumpThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d, err := newWriter(&out, Header{Format: format, Database: "notes"})
	require.NoError(t, err)
	require.NoError(t, d.add([]byte("{\n \"_id\" : \"a\", \"n\": 12345678901234567890.10 }")))
	require.NoError(t, d.add([]byte(`{"_id":"b"}`)))
	require.NoError(t, d.close())
	whole := out.String()
	require.Contains(t, whole, "\n"+`{"_id":"a","n":12345678901234567890.10}`+"\n", "one line, and no number is another")

	header, sum, err := Verify(strings.NewReader(whole))
	require.NoError(t, err)
	require.Equal(t, "notes", header.Database)
	require.Equal(t, uint64(2), sum.Revisions)
	for n := range whole {
		_, _, err := Verify(strings.NewReader(whole[:n]))
		require.ErrorIs(t, err, ErrBadDump, "cut to %d", n)
	}
	_, _, err = Verify(strings.NewReader(strings.Replace(whole, "12345", "12346", 1)))
	require.ErrorIs(t, err, ErrBadDump)
	lines := strings.SplitAfter(whole, "\n")
	_, _, err = Verify(strings.NewReader(lines[0] + lines[2] + lines[3]))
	require.ErrorIs(t, err, ErrBadDump, "a line is missing")
	_, _, err = Verify(strings.NewReader(whole + lines[1]))
	require.ErrorIs(t, err, ErrBadDump, "something follows")
	_, _, err = Verify(strings.NewReader(strings.Replace(whole, `"caddy_sync_dump":1`, `"caddy_sync_dump":2`, 1)))
	require.ErrorContains(t, err, "newer release")
}

func TestNamesAndPasswordsInAURLAreNotSentInIt(t *testing.T) {
	t.Parallel()
	d, err := NewDatabase("http://alice:secret@localhost:8081/notes/", "")
	require.NoError(t, err)
	require.Equal(t, "http://localhost:8081/notes", d.URL)
	require.Equal(t, "Basic YWxpY2U6c2VjcmV0", d.Authorization)
	for _, url := range []string{"", "notes", "http://localhost:8081", "http://localhost:8081/", "ftp://localhost/notes", "http://[/x"} {
		_, err := NewDatabase(url, "")
		require.Error(t, err, url)
	}
}

// TestARedirectMakesNoReadOfAWrite: many servers redirect from http to https with 301, after which net/http asks by GET:
// to end somebody's sessions would list them, and be a success.
func TestARedirectMakesNoReadOfAWrite(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method
		fmt.Fprint(w, `["a session"]`)
	}))
	t.Cleanup(there.Close)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusPermanentRedirect} {
		door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, there.URL+r.URL.Path, status)
		}))
		t.Cleanup(door.Close)
		d, err := NewDatabase(door.URL+"/notes", "")
		require.NoError(t, err)
		unread := func(io.Reader) error { return nil }
		require.NoError(t, d.Ask(t.Context(), http.MethodGet, "/_user/alice/_session", nil, unread), "what is only read is read there")
		require.Equal(t, http.MethodGet, <-asked)
		err = d.Ask(t.Context(), http.MethodDelete, "/_user/alice/_session", nil, unread)
		if status == http.StatusPermanentRedirect {
			require.NoError(t, err)
			require.Equal(t, http.MethodDelete, <-asked)
			continue
		}
		require.ErrorIs(t, err, ErrRefused, status)
		require.ErrorContains(t, err, "it redirects to "+there.URL)
	}
	require.Empty(t, asked)
}

// TestWhatAServerDoesNotStoreIsTold imports into servers that pretend.
func TestWhatAServerDoesNotStoreIsTold(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w, err := newWriter(&out, Header{Format: format})
	require.NoError(t, err)
	require.NoError(t, w.add([]byte(`{"_id":"a","_rev":"1-a"}`)))
	require.NoError(t, w.close())
	for name, c := range map[string]struct{ written, missing, want string }{
		"it refuses and lacks it": {`[{"id":"a","error":"forbidden","reason":"no","status":403}]`, `{"a":{"missing":["1-a"]}}`, "1 revisions were not taken; all others are there:\n  document \"a\": forbidden: no"},
		"it fails at a document":  {`[{"id":"a","error":"internal_server_error","reason":"no","status":500}]`, `{}`, `refused by the server: document "a": internal_server_error: no`},
		"it refuses a document":   {`[{"id":"a","error":"forbidden","reason":"no"}]`, `{}`, `document "a": forbidden: no`},
		"it forgets a document":   {`[]`, `{"a":{"missing":["1-a"]}}`, `document "a" was not stored`},
		"it answers what is none": {`<html>`, `{}`, "reading the answer"},
		"all is well":             {`[]`, `{}`, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/notes/_bulk_docs" {
				_, _ = fmt.Fprint(w, c.written)
			} else {
				_, _ = fmt.Fprint(w, c.missing)
			}
		}))
		d, err := NewDatabase(server.URL+"/notes", "Bearer x")
		require.NoError(t, err)
		_, err = Import(t.Context(), d, bytes.NewReader(out.Bytes()), nil)
		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
		}
		server.Close()
	}
}

func TestAnImportPassesOverWhatIsRefused(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w, err := newWriter(&out, Header{Format: format})
	require.NoError(t, err)
	for n := range 2 * importDocs {
		require.NoError(t, w.add(fmt.Appendf(nil, `{"_id":"%03d","_rev":"1-a"}`, n)))
	}
	require.NoError(t, w.close())
	type document struct {
		ID string `json:"_id"`
	}
	stored := make(map[string]bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Docs []document `json:"docs"`
		}
		if r.URL.Path != "/notes/_bulk_docs" {
			var revs map[string][]string
			assert.NoError(t, json.NewDecoder(r.Body).Decode(&revs))
			maps.DeleteFunc(revs, func(id string, _ []string) bool { return stored[id] })
			missing := make(map[string]any)
			for id, of := range revs {
				missing[id] = map[string]any{"missing": of}
			}
			assert.NoError(t, json.NewEncoder(w).Encode(missing))
			return
		}
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&asked))
		if slices.Contains(asked.Docs, document{"008"}) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"error":"bad_request"}`)
			return
		}
		if len(asked.Docs) > 30 || slices.Contains(asked.Docs, document{"007"}) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = fmt.Fprint(w, `{"error":"too_large"}`)
			return
		}
		rows := []bulkRow{}
		for _, doc := range asked.Docs {
			if doc.ID == "000" || doc.ID > "150" {
				rows = append(rows, bulkRow{doc.ID, "forbidden", "not yours", http.StatusForbidden})
			} else {
				stored[doc.ID] = true
			}
		}
		assert.NoError(t, json.NewEncoder(w).Encode(rows))
	}))
	t.Cleanup(server.Close)
	d, err := NewDatabase(server.URL+"/notes", "")
	require.NoError(t, err)

	_, err = Import(t.Context(), d, bytes.NewReader(out.Bytes()), nil)

	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "52 revisions were not taken; all others are there:\n  document \"000\": forbidden: not yours\n  document \"007\": 413 Request Entity Too Large: {\"error\":\"too_large\"}\n  document \"008\": 400 Bad Request: {\"error\":\"bad_request\"}\n")
	require.ErrorContains(t, err, "\n  and 32 more")
	require.Len(t, stored, 2*importDocs-52)
}

// TestAnExportEndsWhileOthersWrite exports from a server whose feed is never empty. A revision that was replaced after
// the feed told of it, and is not there any more, is read under its new name.
func TestAnExportEndsWhileOthersWrite(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/notes/_changes" {
			asked++
			_, _ = fmt.Fprintf(w, `{"results":[{"id":"a","changes":[{"rev":"%d-a"}]}],"last_seq":"%d-x","pending":%d}`, asked, asked, max(0, 2-asked))
			return
		}
		if r.URL.Path == "/notes/a" {
			assert.Equal(t, "all", r.URL.Query().Get("open_revs"))
			_, _ = fmt.Fprint(w, `[{"ok":{"_id":"a","_rev":"3-a","_revisions":{"start":3,"ids":["a","a","a"]}}}]`)
			return
		}
		text, _ := io.ReadAll(r.Body)
		if bytes.Contains(text, []byte("2-a")) { // the last of the feed, and it has changed since
			_, _ = fmt.Fprint(w, `{"results":[{"id":"a","docs":[{"error":{"error":"not_found"}}]}]}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"results":[{"id":"a","docs":[{"ok":{"_id":"a","_rev":"1-a"}}]}]}`)
	}))
	t.Cleanup(server.Close)
	d, err := NewDatabase(server.URL+"/notes", "")
	require.NoError(t, err)
	sum, err := Export(t.Context(), d, io.Discard, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, sum.Revisions, "1-a and 3-a")
	require.Equal(t, 2, asked)
}

// TestWhatAServerDoesNotGiveIsTold exports from a server that has something and cannot give it.
func TestWhatAServerDoesNotGiveIsTold(t *testing.T) {
	t.Parallel()
	const lost = `lists revision 1-a of document "a/b", and does not give it`
	for name, c := range map[string]struct{ bulk, again, want string }{
		"a fault": {
			`[{"id":"a/b","docs":[{"error":{"id":"a/b","rev":"1-a","error":"internal_server_error","reason":"damaged"}}]}]`, ``,
			`document "a/b": internal_server_error: damaged`,
		},
		"it has lost all of it":   {`[{"id":"a/b","docs":[{"error":{"error":"not_found"}}]}]`, ``, `reading document "a/b" again: refused by the server: 404`},
		"it answers for nothing":  {`[]`, `[{"missing":"1-a"}]`, lost},
		"it has lost a revision":  {`[{"id":"a/b","docs":[{"error":{"error":"not_found"}}]}]`, `[{"ok":{"_id":"a/b","_rev":"2-b","_revisions":{"start":2,"ids":["b","c"]}}}]`, lost},
		"it was replaced":         {`[{"id":"a/b","docs":[{"error":{"error":"not_found"}}]}]`, `[{"ok":{"_id":"a/b","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]}}}]`, ""},
		"it answers only if told": {`[]`, `[{"ok":{"_id":"a/b","_rev":"1-a"}}]`, ""},
	} {
		listed := `[{"id":"a/b","changes":[{"rev":"1-a"}]}]`
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/notes/_bulk_get":
				_, _ = fmt.Fprintf(w, `{"results":%s}`, c.bulk)
			case r.URL.Path == "/notes/_changes":
				_, _ = fmt.Fprintf(w, `{"results":%s,"last_seq":1}`, listed)
				listed = `[]`
			case c.again == "" || r.RequestURI != "/notes/a%2Fb?open_revs=all&revs=true&attachments=true":
				http.NotFound(w, r)
			default:
				_, _ = fmt.Fprint(w, c.again)
			}
		}))
		d, err := NewDatabase(server.URL+"/notes", "Bearer x")
		require.NoError(t, err)
		sum, err := Export(t.Context(), d, io.Discard, nil)
		if c.want == "" {
			require.NoError(t, err, name)
			require.EqualValues(t, 1, sum.Revisions, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
		}
		server.Close()
	}
}

func TestAnExportEndsWhereTheFeedDoesNotGoOn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/notes/_bulk_get" {
			_, _ = fmt.Fprint(w, `{"results":[{"id":"a","docs":[{"ok":{"_id":"a","_rev":"1-a"}}]}]}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"results":[{"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":"5-x"}`)
	}))
	t.Cleanup(server.Close)
	d, err := NewDatabase(server.URL+"/notes", "")
	require.NoError(t, err)
	_, err = Export(t.Context(), d, io.Discard, nil)
	require.ErrorContains(t, err, `its feed does not go on after "5-x"`)
}
