package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func copyTo(name, path, destination string, status int, has ...string) scenario {
	header := map[string]string{"Destination": destination}
	if destination == "" {
		header = nil
	}
	return scenario{name: name, method: "COPY", path: path, header: header, status: status, has: has}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.put("a", `{"v":1,"_attachments":{"t.txt":{"content_type":"text/plain","data":"aGVsbG8="}}}`)
	s.put("a", `{"_rev":"`+first+`","v":2}`)
	target := s.put("there", `{"v":0}`)
	s.runAll([]scenario{
		copyTo("new", "/notes/a", "b", 201, `{"ok":true,"id":"b","rev":"1-`),
		copyTo("escaped", "/notes/a", "x%2Fy", 201, `"id":"x/y"`),
		copyTo("old revision with its attachment", "/notes/a?rev="+first, "c", 201),
		copyTo("over another, without its revision", "/notes/a", "there", 409, "conflict"),
		copyTo("over another", "/notes/a", "there?rev="+target, 201, `"rev":"2-`),
		copyTo("what is not there", "/notes/none", "d", 404, "missing"),
		copyTo("no destination", "/notes/a", "", 400, "Destination"),
		copyTo("a URL", "/notes/a", "http://h/notes/b", 400, "Destination"),
		copyTo("an underscore", "/notes/a", "_x", 400, "illegal_docid"),
		copyTo("local", "/notes/a", "_local/x", 400, "_local"),
		copyTo("malformed", "/notes/a", "%zz", 400, "escape"),
		copyTo("bad revision", "/notes/a", "b?rev=x", 400, "rev"),
		{name: "copied", path: "/notes/b", has: []string{`"v":2`}},
		{name: "overwritten", path: "/notes/there", has: []string{`"v":2`}},
		{name: "content", path: "/notes/c/t.txt", has: []string{"hello"}},
		{name: "not for attachments", method: "COPY", path: "/notes/c/t.txt", status: 405, headers: map[string]string{"Allow": "GET, HEAD, PUT, DELETE, OPTIONS"}},
	})
	require.Equal(t, "/notes/e", s.run(copyTo("location", "/notes/a", "e", 201)).Header().Get("Location"))
}

// Who may not read a document cannot copy it, and who may not write the other one does not.
func TestCopyReadsAndWritesAsTheUser(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a")
	secret, own := g.store("ofb1", "", "b"), g.store("ofa1", "", "a")
	for _, c := range []struct {
		who, id, to string
		status      int
	}{
		{"alice", "ofb1", "stolen", http.StatusNotFound},
		{"alice", "ofb1?rev=" + secret.rev, "stolen", http.StatusNotFound},
		{"alice", "ofa1", "ofb1", http.StatusConflict},
		{"alice", "ofa1", "ofb1?rev=" + own.rev, http.StatusConflict},
		{"reader", "ofa1", "x", http.StatusForbidden},
		{"alice", "ofa1", "mine", http.StatusCreated},
		{"admin", "ofb1", "copy", http.StatusCreated},
	} {
		w := g.as(c.who, "COPY", "/notes/"+c.id, "", "Destination", c.to)
		require.Equal(t, c.status, w.Code, "%+v: %s", c, w.Body)
		require.NotContains(t, w.Body.String(), "body-of")
	}
	require.Contains(t, g.as("alice", http.MethodGet, "/notes/mine", "").Body.String(), "body-of-ofa1")
}
