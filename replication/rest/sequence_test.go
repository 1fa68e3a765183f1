package rest

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestSequencesCountFromTheBeginningOfTheirDatabase(t *testing.T) {
	t.Parallel()
	first := uint64(27) << 32
	seqs := sequencesOf(&syncstore.Info{FirstSeq: first})
	for text, at := range map[string]syncstore.Cursor{
		"0-27":    {Seq: first},
		"5-27":    {Seq: first + 5},
		"12:5-27": {Event: first + 12, Seq: first + 5},
		"12:0-27": {Event: first + 12, Seq: first},
	} {
		require.Equal(t, text, string(seqs.append(nil, at)))
		require.Equal(t, `"`+text+`"`, string(seqs.appendJSON(nil, at)))
		since, err := parseSince(text)
		require.NoError(t, err)
		require.Equal(t, at, seqs.resolve(since), text)
	}
	for text, at := range map[string]syncstore.Cursor{
		"5-26":                    {}, // of a database that was deleted
		"5-g1AAAACbe":             {}, // CouchDB's
		"5":                       {Seq: 5},
		"115964117000":            {Seq: 115964117000},
		"18446744073709551615-27": {Seq: math.MaxUint64},
	} {
		since, err := parseSince(text)
		require.NoError(t, err)
		require.Equal(t, at, seqs.resolve(since), text)
	}
	plain := sequencesOf(&syncstore.Info{})
	require.Equal(t, "5", string(plain.appendJSON(nil, syncstore.At(5))))
	require.Equal(t, "7:5", string(plain.append(nil, syncstore.Cursor{Event: 7, Seq: 5})))
	require.Equal(t, "0-27", string(seqs.append(nil, syncstore.Cursor{})))
	for _, text := range []string{"5-g1AAAACbe", "5-27", "7:5-27"} {
		since, err := parseSince(text)
		require.NoError(t, err)
		require.Zero(t, plain.resolve(since), "of another server, or another database: %s", text)
	}
}

// DECISIONS 35, as a client sees it that keeps the sequence where the server cannot take it
// away with the database.
func TestADatabaseMadeAnewIsReadFromTheBeginning(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	read := func(query string) (ids []string, last string) {
		var page struct {
			Results []struct{ ID string }
			Last    string `json:"last_seq"`
		}
		require.NoError(t, json.Unmarshal(s.run(scenario{path: "/other/_changes?" + query}).Body.Bytes(), &page))
		for _, row := range page.Results {
			ids = append(ids, row.ID)
		}
		return ids, page.Last
	}
	fill := func(ids ...string) {
		s.run(scenario{method: http.MethodPut, path: "/other", status: 201})
		for _, id := range ids {
			s.run(scenario{method: http.MethodPut, path: "/other/" + id, body: `{}`, status: 201})
		}
	}
	fill("a", "b", "c")
	ids, last := read("")
	require.Equal(t, []string{"a", "b", "c"}, ids)
	require.True(t, strings.HasPrefix(last, "3-"), last)
	ids, again := read("since=" + last)
	require.Empty(t, ids)
	require.Equal(t, last, again)
	ids, _ = read("since=2-" + strings.TrimPrefix(last, "3-"))
	require.Equal(t, []string{"c"}, ids)
	s.runAll([]scenario{
		{name: "rows", path: "/other/_changes", has: []string{`{"seq":"1-2","id":"a"`}},
		{name: "lines", path: "/other/_changes?feed=continuous&timeout=0", has: []string{`{"seq":"1-2","id":"a"`, `"last_seq":"3-2"`}},
		{name: "events", path: "/other/_changes?feed=eventsource&timeout=0", has: []string{"\nid: 1-2\n", "\nid: 3-2\n"}},
		{name: "info", path: "/other", has: []string{`"update_seq":"3-2"`}},
		{name: "all documents", path: "/other/_all_docs?update_seq=true", has: []string{`"update_seq":"3-2"`}},
		{name: "a document", path: "/other/b?local_seq=true", has: []string{`"_local_seq":"2-2"`}},
		{name: "now", path: "/other/_changes?since=now", has: []string{`"last_seq":"3-2"`}},
	})
	s.run(scenario{method: http.MethodDelete, path: "/other"})
	fill("d", "e", "f", "g")
	ids, _ = read("since=" + last)
	require.Equal(t, []string{"d", "e", "f", "g"}, ids, "3 of the old one is not 3 of this one")
}

func TestIndexesTellSequencesFromTheDatabasesBeginning(t *testing.T) {
	t.Parallel()
	s := replicating(t)
	const app = "/other/_design/app"
	s.runAll([]scenario{
		{method: http.MethodPut, path: "/other", status: 201},
		{method: http.MethodPut, path: "/other/a", body: `{}`, status: 201},
		{method: http.MethodPut, path: app, body: `{"views":{"v":{"map":"function (doc) { emit(1) }"}}}`, status: 201},
		{name: "not built", path: app + "/_info", has: []string{`"update_seq":0,"purge_seq":0,`, `"updates_pending":{"minimum":2,`}},
		{name: "queried", path: app + "/_view/v?update_seq=true", has: []string{`"update_seq":"2-2"`}},
		{name: "built", path: app + "/_info", has: []string{`"update_seq":2,`, `"updates_pending":{"minimum":0,`}},
		post("purged", "/other/_purge", `{"a":["*"]}`, 201, `"purge_seq":1,`),
		{name: "purged", path: app + "/_info", has: []string{`"purge_seq":1,`}},
	})
}
