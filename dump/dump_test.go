package dump

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
		require.NoError(t, d.Ask(t.Context(), http.MethodGet, "/_user/alice/_session", nil, Ignore), "what is only read is read there")
		require.Equal(t, http.MethodGet, <-asked)
		err = d.Ask(t.Context(), http.MethodDelete, "/_user/alice/_session", nil, Ignore)
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

// TestAnExportEndsWhileOthersWrite exports from a server whose feed is never empty. A revision that was replaced after
// the feed told of it, and is not there any more, is awaited under its new name.
func TestAnExportEndsWhileOthersWrite(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/notes/_changes" {
			asked++
			_, _ = fmt.Fprintf(w, `{"results":[{"id":"a","changes":[{"rev":"%d-a"}]}],"last_seq":"%d-x","pending":%d}`, asked, asked, max(0, 2-asked))
			return
		}
		text, _ := io.ReadAll(r.Body)
		if bytes.Contains(text, []byte("2-a")) { // the last of the feed, and it has changed since
			_, _ = fmt.Fprint(w, `{"results":[{"id":"a","docs":[{"error":{"error":"not_found"}}]}]}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"results":[{"id":"a","docs":[{"ok":{"_id":"a"}}]}]}`)
	}))
	t.Cleanup(server.Close)
	d, err := NewDatabase(server.URL+"/notes", "")
	require.NoError(t, err)
	sum, err := Export(t.Context(), d, io.Discard, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, sum.Revisions, "1-a and 3-a")
	require.Equal(t, 3, asked)
}

// TestWhatAServerDoesNotGiveIsTold exports from a server that has something and cannot give it.
func TestWhatAServerDoesNotGiveIsTold(t *testing.T) {
	t.Parallel()
	for failure, want := range map[string]string{
		`{"id":"a","rev":"1-a","error":"not_found","reason":"missing"}`:             "",
		`{"id":"a","rev":"1-a","error":"internal_server_error","reason":"damaged"}`: `document "a": internal_server_error: damaged`,
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/notes/_bulk_get":
				_, _ = fmt.Fprintf(w, `{"results":[{"id":"a","docs":[{"error":%s}]}]}`, failure)
			case asked == 0:
				asked++
				_, _ = fmt.Fprint(w, `{"results":[{"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":1}`)
			default:
				_, _ = fmt.Fprint(w, `{"results":[],"last_seq":1}`)
			}
		}))
		d, err := NewDatabase(server.URL+"/notes", "Bearer x")
		require.NoError(t, err)
		sum, err := Export(t.Context(), d, io.Discard, nil)
		if want == "" {
			require.NoError(t, err)
			require.Zero(t, sum.Revisions)
		} else {
			require.ErrorContains(t, err, want)
		}
		server.Close()
	}
}
