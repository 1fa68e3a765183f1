package rest

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"null": {}, "0": {}, `"0"`: {},
		"60":                     now.Add(time.Minute),
		`"60"`:                   now.Add(time.Minute),
		"2592000":                now.Add(30 * 24 * time.Hour),
		"1800000000":             time.Unix(1_800_000_000, 0),
		`"2030-01-01T00:00:00Z"`: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		at, err := parseExpiry([]byte(text), now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(at), "%s: %s", text, at)
	}
	for _, text := range []string{`"soon"`, "-1", "true", "[1]", "{}", `""`, "1e300", "NaN", `"2030-01-01"`} {
		_, err := parseExpiry([]byte(text), now)
		require.Error(t, err, text)
		require.Equal(t, 400, asAnswer(err).status, text)
		require.Contains(t, asAnswer(err).reason, "Invalid expiry: ")
	}
}

func TestADocumentExpiresAsItsWriterWants(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("a", `{"_exp":"2099-01-02T03:04:05Z","v":1}`)
	exp := `"_exp":"2099-01-02T03:04:05Z"`
	s.runAll([]scenario{
		{name: "not shown", path: "/notes/a", hasNot: []string{"_exp"}},
		{name: "shown", path: "/notes/a?show_exp=true", has: []string{exp}},
		{name: "of all leaves", path: "/notes/a?show_exp=true&open_revs=all", has: []string{exp}},
		{name: "of many", method: http.MethodPost, path: "/notes/_bulk_get?show_exp=true", body: `{"docs":[{"id":"a"}]}`, has: []string{exp}},
		{name: "odd", method: http.MethodPut, path: "/notes/b", body: `{"_exp":"soon"}`, status: 400, has: []string{"Invalid expiry"}},
	})
	w := s.run(scenario{method: http.MethodPut, path: "/notes/a/t?rev=" + rev, body: "x", header: map[string]string{"Content-Type": "text/plain"}, status: 201})
	var done struct{ Rev string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &done))
	s.runAll([]scenario{
		{name: "an attachment changes nothing about it", path: "/notes/a?show_exp=true", has: []string{exp}},
		copyTo("copied", "/notes/a", "c", 201),
		{name: "a copy does not expire", path: "/notes/c?show_exp=true", hasNot: []string{"_exp"}},
		{method: http.MethodPut, path: "/notes/a?rev=" + done.Rev, body: `{"v":2}`, status: 201},
		{name: "written without it", path: "/notes/a?show_exp=true", hasNot: []string{"_exp"}},
	})
}
