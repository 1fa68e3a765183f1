package rest

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// changesPage is what clients read of an answer.
type changesPage struct {
	Results []struct {
		Seq     json.RawMessage            `json:"seq"`
		ID      string                     `json:"id"`
		Changes []struct{ Rev string }     `json:"changes"`
		Deleted bool                       `json:"deleted"`
		Doc     map[string]json.RawMessage `json:"doc"`
	} `json:"results"`
	LastSeq json.RawMessage `json:"last_seq"`
	Pending *int            `json:"pending"`
}

func parsePage(t *testing.T, text string) changesPage {
	t.Helper()
	var page changesPage
	require.NoError(t, json.Unmarshal([]byte(text), &page), text)
	return page
}

func (p *changesPage) ids() []string {
	ids := []string{}
	for _, row := range p.Results {
		ids = append(ids, row.ID)
	}
	return ids
}

func TestDecision34_RowsHaveNumbersAndLastSeqIsAString(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	revs := writeDocs(t, db, "a", "b")
	require.Equal(t, "{\"results\":[\n"+
		`{"seq":1,"id":"a","changes":[{"rev":"`+revs[0].String()+`"}]},`+"\n"+
		`{"seq":2,"id":"b","changes":[{"rev":"`+revs[1].String()+`"}]}`+"\n"+
		"],\n\"last_seq\":\"2\",\"pending\":0}\n", runFeed(t, db, ""))
}

func TestChangesOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	text := runFeed(t, feedDatabase(t), "")
	require.Equal(t, []string{`{"results":[`, `],`, `"last_seq":"0","pending":0}`}, lines(text))
}

func TestDecision35_SinceFromTheFutureIsReadAsZero(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a", "b")
	for _, since := range []string{"3", "4294967296", "18446744073709551615", "99999999999999999999"} {
		for _, filter := range []string{"", `&filter=_doc_ids&doc_ids=["a","b"]`} {
			page := parsePage(t, runFeed(t, db, "since="+since+filter))
			require.Equal(t, []string{"a", "b"}, page.ids(), since)
			require.JSONEq(t, `"2"`, string(page.LastSeq))
		}
	}
}

func TestChangesAreBoundedBySinceAndLimit(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a", "b", "c", "d")
	for _, test := range []struct {
		query   string
		ids     []string
		last    string
		pending int
	}{
		{"since=0&limit=2", []string{"a", "b"}, "2", 2},
		{"since=2&limit=2", []string{"c", "d"}, "4", 0},
		{"since=2&limit=1", []string{"c"}, "3", 1},
		{"since=4", []string{}, "4", 0},
		{"since=now", []string{}, "4", 0},
		{"limit=0", []string{"a"}, "1", 3},
		{"limit=99999999999999999999", []string{"a", "b", "c", "d"}, "4", 0},
		{"descending=true", []string{"d", "c", "b", "a"}, "4", 0},
		{"descending=true&since=3", []string{"d", "c", "b", "a"}, "4", 0},
		{"since=4:3", []string{"d"}, "4", 0},
	} {
		page := parsePage(t, runFeed(t, db, test.query))
		require.Equal(t, test.ids, page.ids(), test.query)
		require.Equal(t, strconv.Quote(test.last), string(page.LastSeq), test.query)
		require.NotNil(t, page.Pending, test.query)
		require.Equal(t, test.pending, *page.Pending, test.query)
	}
	page := parsePage(t, runFeed(t, db, "descending=true&limit=2"))
	require.Equal(t, []string{"d", "c"}, page.ids())
}

func TestPendingIsNeverMoreThanTheDocuments(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	rev := writeDocs(t, db, "a", "b")[0]
	for range 10 {
		rev = writeEdits(t, db, syncstore.Edit{ID: "a", Parent: rev})[0]
	}
	page := parsePage(t, runFeed(t, db, "limit=1"))
	require.Equal(t, []string{"b"}, page.ids())
	require.Equal(t, 2, *page.Pending, "12 sequences, 2 documents")
}

func TestStyleAllDocsShowsAllLeavesWinnerFirst(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeEdits(t, db,
		replicated("foo", false, "3-c", "2-b", "1-a"), replicated("foo", false, "4-f", "3-e", "2-d", "1-a"),
		replicated("foo", true, "2-g", "1-a"))
	require.Contains(t, runFeed(t, db, ""), `"changes":[{"rev":"4-f"}]}`)
	require.Contains(t, runFeed(t, db, "style=all_docs"), `"changes":[{"rev":"4-f"},{"rev":"3-c"},{"rev":"2-g"}]}`)
	require.Contains(t, runFeed(t, db, `style=all_docs&filter=_doc_ids&doc_ids=["foo"]`),
		`"changes":[{"rev":"4-f"},{"rev":"3-c"},{"rev":"2-g"}]}`)
}

func TestTombstonesAreMarked(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	rev := writeDocs(t, db, "a")[0]
	gone := writeEdits(t, db, syncstore.Edit{ID: "a", Parent: rev, Deleted: true})[0].String()
	for _, filter := range []string{"", `&filter=_doc_ids&doc_ids=["a"]`} {
		require.Contains(t, runFeed(t, db, "include_docs=true"+filter),
			`{"seq":2,"id":"a","changes":[{"rev":"`+gone+`"}],"deleted":true,"doc":{"_id":"a","_rev":"`+gone+`","_deleted":true}}`)
	}
}

func TestIncludeDocsShowsTheRevisionOfTheRow(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeEdits(t, db, replicated("foo", false, "2-b", "1-a"), replicated("foo", false, "2-c", "1-a"))
	body := `{"id": 12345678901234567890, "d": 0.1000, "s":"\u00e9\/"}`
	rev := writeEdits(t, db, syncstore.Edit{ID: "exact", Body: []byte(body)})[0].String()
	text := runFeed(t, db, "include_docs=true&conflicts=true")
	require.Contains(t, text, `"doc":{"_id":"foo","_rev":"2-c","_conflicts":["2-b"],"v":"2-c"}}`)
	require.Contains(t, text, `"doc":{"_id":"exact","_rev":"`+rev+`",`+body[1:]+`}`, "byte for byte")
	require.NotContains(t, runFeed(t, db, "include_docs=true"), "_conflicts")
}

func TestIncludeDocsWithAttachments(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	small := uploadContent(t, db, []byte("hello"))
	large := uploadContent(t, db, []byte(strings.Repeat("0123456789", 30_000)))
	writeEdits(t, db, syncstore.Edit{ID: "a", Body: []byte(`{"x":1}`), Attachments: []syncstore.AttachmentEdit{
		{Name: "s.txt", ContentType: "text/plain", Content: small},
		{Name: "l.bin", ContentType: "application/octet-stream", Content: large},
	}})
	type stub struct {
		Data   []byte `json:"data"`
		Stub   bool   `json:"stub"`
		Length int    `json:"length"`
	}
	for _, attachments := range []bool{false, true} {
		page := parsePage(t, runFeed(t, db, "include_docs=true&attachments="+strconv.FormatBool(attachments)))
		var got map[string]stub
		require.NoError(t, json.Unmarshal(page.Results[0].Doc["_attachments"], &got))
		require.Equal(t, !attachments, got["l.bin"].Stub)
		require.Equal(t, !attachments, got["l.bin"].Length == 300_000, "no length beside the data, as in CouchDB")
		require.JSONEq(t, "1", string(page.Results[0].Doc["x"]))
		if attachments {
			require.Equal(t, "hello", string(got["s.txt"].Data))
			require.Equal(t, strings.Repeat("0123456789", 30_000), string(got["l.bin"].Data))
		}
	}
}

func uploadContent(t *testing.T, db *syncstore.Database, content []byte) syncstore.Content {
	t.Helper()
	upload := db.NewUpload(t.Context())
	_, err := upload.Write(content)
	require.NoError(t, err)
	stored, err := upload.Commit(t.Context())
	require.NoError(t, err)
	return stored
}

func TestFilters(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a", "_design/x", "b", "c", `q"\`)
	many := `["c","a","nothing",""` + strings.Repeat(`,"x"`, 10) + `,"` + strings.Join(numbered("n", 120), `","`) + `"]`
	for _, test := range []struct {
		query string
		ids   []string
	}{
		{"filter=_design", []string{"_design/x"}},
		{`filter=_doc_ids&doc_ids=["c","a","nothing",""]`, []string{"a", "c"}},
		{`doc_ids=["c","q\"\\"]`, []string{"c", `q"\`}},
		{`filter=_doc_ids&doc_ids=[]`, []string{}},
		{`filter=_doc_ids&doc_ids=["c","a"]&since=1`, []string{"c"}},
		{`filter=_doc_ids&doc_ids=["c","a"]&descending=true`, []string{"c", "a"}},
		{`filter=_doc_ids&doc_ids=["c","a"]&limit=1`, []string{"a"}},
		{`filter=_doc_ids&doc_ids=` + many, []string{"a", "c"}},
		{`filter=_doc_ids&limit=1&doc_ids=` + many, []string{"a"}},
	} {
		page := parsePage(t, runFeed(t, db, test.query))
		require.Equal(t, test.ids, page.ids(), test.query)
		if strings.Contains(test.query, "limit=1") {
			require.Equal(t, `"1"`, string(page.LastSeq), "the client goes on after the row it got")
			require.Nil(t, page.Pending, "what the filter leaves is not known")
			continue
		}
		require.Equal(t, `"5"`, string(page.LastSeq), test.query)
		require.Equal(t, 0, *page.Pending)
	}
}

// A page that needs several pieces is the same as if it went out at once.
func TestLongPagesAreComplete(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	ids := numbered("document-with-a-longer-name-", 2500)
	writeDocs(t, db, ids...)
	for _, query := range []string{"", "include_docs=true", "limit=2000", "limit=2000&include_docs=true", "filter=_doc_ids&doc_ids=" + jsonOf(t, ids)} {
		page := parsePage(t, runFeed(t, db, query))
		want := ids
		if strings.Contains(query, "limit") {
			want = ids[:2000]
		}
		require.Equal(t, want, page.ids(), "%.30s", query)
		require.Equal(t, strconv.Quote(strconv.Itoa(len(want))), string(page.LastSeq))
		require.Equal(t, len(ids)-len(want), *page.Pending)
	}
	for _, query := range []string{"descending=true", "descending=true&include_docs=true"} {
		page := parsePage(t, runFeed(t, db, query))
		require.Len(t, page.Results, len(ids))
		require.Equal(t, ids[0], page.Results[len(ids)-1].ID)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestShortPagesHaveALengthAndLongOnesNone(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, numbered("document-with-a-longer-name-", 1000)...)
	short, ctx := prepareFeed(t, db, "limit=10")
	short.run(ctx)
	require.Equal(t, strconv.Itoa(len(short.all())), short.Header().Get("Content-Length"))
	long, ctx := prepareFeed(t, db, "")
	long.run(ctx)
	require.Empty(t, long.Header().Get("Content-Length"))
	require.Zero(t, long.leases, "a quick page needs no lease")
}
