package rest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

type allDocsPage struct {
	Total     int    `json:"total_rows"`
	Offset    int    `json:"offset"`
	UpdateSeq uint64 `json:"update_seq"`
	Rows      []struct {
		ID    string          `json:"id"`
		Key   json.RawMessage `json:"key"`
		Error string          `json:"error"`
		Value struct {
			Rev     string `json:"rev"`
			Deleted bool   `json:"deleted"`
		} `json:"value"`
		Doc json.RawMessage `json:"doc"`
	} `json:"rows"`
}

func parseAllDocs(t *testing.T, text string) allDocsPage {
	t.Helper()
	var page allDocsPage
	require.NoError(t, json.Unmarshal([]byte(text), &page), text)
	return page
}

func (p *allDocsPage) keys() string {
	keys := make([]string, len(p.Rows))
	for i, row := range p.Rows {
		keys[i] = string(row.Key)
	}
	return strings.ReplaceAll(strings.Join(keys, " "), `"`, "")
}

func TestAllDocsListsLiveDocumentsByTheBytesOfTheirIDs(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	revs := writeDocs(t, db, "b", "a", "é", "B", "_design/x", "gone", "😀", "～")
	writeEdits(t, db, syncstore.Edit{ID: "gone", Parent: revs[5], Deleted: true})
	page := parseAllDocs(t, (&exchange{path: "_all_docs?update_seq=true"}).run(t, site).Body.String())
	require.Equal(t, "B _design/x a b é ～ 😀", page.keys(), "UTF-16 would put the last two the other way")
	require.Equal(t, 7, page.Total)
	require.Zero(t, page.Offset)
	require.Equal(t, uint64(9), page.UpdateSeq)
	require.Equal(t, revs[3].String(), page.Rows[0].Value.Rev)
	require.Nil(t, page.Rows[0].Doc)
}

func TestAllDocsRanges(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	writeDocs(t, db, "0", "1", "2", "3", "4", "5")
	revs := writeDocs(t, db, "6", "7")
	writeEdits(t, db, syncstore.Edit{ID: "7", Parent: revs[1], Deleted: true})
	for query, want := range map[string]string{
		``:                                        "0 1 2 3 4 5 6",
		`startkey="4"`:                            "4 5 6",
		`start_key="4"&end_key="5"`:               "4 5",
		`startkey="5"&endkey="4"`:                 "",
		`startkey="4"&endkey="4"`:                 "4",
		`startkey="44"`:                           "5 6",
		`endkey="2"&inclusive_end=false`:          "0 1",
		`endkey="0"&inclusive_end=false`:          "",
		`startkey=""&endkey="0"`:                  "0",
		`endkey=""`:                               "",
		`descending=true`:                         "6 5 4 3 2 1 0",
		`descending=true&startkey="4"`:            "4 3 2 1 0",
		`descending=true&endkey=""`:               "6 5 4 3 2 1 0",
		`descending=true&startkey=""`:             "",
		`descending=true&startkey="4"&endkey="2"`: "4 3 2",
		`descending=true&startkey="4"&endkey="2"&inclusive_end=false`: "4 3",
		`descending=true&startkey="4"&skip=1&limit=2`:                 "3 2",
		`skip=2&limit=2`:                        "2 3",
		`skip=100`:                              "",
		`limit=0`:                               "",
		`limit="2"`:                             "0 1",
		`limit=99999999999999999999`:            "0 1 2 3 4 5 6",
		`startkey="2"&limit=2&skip=1`:           "3 4",
		`key="3"`:                               "3",
		`key="7"`:                               "",
		`key="nothing"`:                         "",
		`key="3"&startkey="1"`:                  "3",
		`key=""`:                                "",
		`key=3`:                                 "",
		`startkey=null&endkey={}`:               "0 1 2 3 4 5 6",
		`startkey=[]`:                           "",
		`endkey=5`:                              "",
		`endkey=true`:                           "",
		`startkey={}&descending=true&limit=1`:   "6",
		`startkey="2"&startkey_docid=x&limit=1`: "2",
		`startkey="5"&endkey="\ufff0"`:          "5 6",
	} {
		page := parseAllDocs(t, (&exchange{path: "_all_docs?" + escaped(query)}).run(t, site).Body.String())
		require.Equal(t, want, page.keys(), query)
		require.Equal(t, 7, page.Total, query)
	}
}

// escaped escapes the values of a query that is easy to read.
func escaped(query string) string {
	values := url.Values{}
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values.Set(name, value)
		}
	}
	return values.Encode()
}

func TestAllDocsByKeys(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	revs := writeDocs(t, db, "a", "b", "gone")
	tombstone := writeEdits(t, db, syncstore.Edit{ID: "gone", Parent: revs[2], Deleted: true})[0].String()
	runExchanges(t, site, []exchange{
		{name: "in order, with repeats", method: "POST", path: "_all_docs", body: `{"keys":["b","none","a","b"]}`,
			want: []string{`"total_rows":2`, "\"rows\":[\n" +
				`{"id":"b","key":"b","value":{"rev":"` + revs[1].String() + `"}},` + "\n" +
				`{"key":"none","error":"not_found"},` + "\n" +
				`{"id":"a","key":"a","value":{"rev":"` + revs[0].String() + `"}},` + "\n" +
				`{"id":"b","key":"b","value":{"rev":"` + revs[1].String() + `"}}` + "\n]}"}},
		{name: "tombstone", method: "POST", path: "_all_docs?include_docs=true", body: `{"keys":["gone","a"]}`,
			want: []string{`{"id":"gone","key":"gone","value":{"rev":"` + tombstone + `","deleted":true},"doc":null}`,
				`"doc":{"_id":"a","_rev":"` + revs[0].String() + `","n":0}}`}},
		{name: "options in the body", method: "POST", path: "_all_docs", body: `{"keys":["a","b","none"],"descending":true,"skip":1,"limit":1}`,
			want: []string{`"key":"b"`}, not: []string{`"key":"a"`, "none"}},
		{name: "in the query", path: `_all_docs?keys=%5B%22a%22%5D`, want: []string{`"key":"a"`}},
		{name: "none", method: "POST", path: "_all_docs", body: `{"keys":[]}`, want: []string{"\"rows\":[\n]}"}},
		{name: "limit 0", method: "POST", path: "_all_docs?limit=0", body: `{"keys":["a"]}`, want: []string{"\"rows\":[\n]}"}},
		{name: "keys that are no IDs", method: "POST", path: "_all_docs", body: `{"keys":[1, null ,{"a":[]},"","_x\u0000"]}`,
			want: []string{`{"key":1,"error":"not_found"}`, `{"key":null,"error":"not_found"}`, `{"key":{"a":[]},"error":"not_found"}`, `{"key":"","error":"not_found"}`}},
		{name: "range in the body", method: "POST", path: "_all_docs", body: `{"startkey":"b"}`, want: []string{`"key":"b"`}, not: []string{`"key":"a"`}},
	})
}

func TestAllDocsRefusesWhatMeansNothing(t *testing.T) {
	t.Parallel()
	site, _ := feedSite(t)
	for _, query := range []string{
		`limit=-1`, `limit=x`, `skip=-1`, `descending=1`, `inclusive_end=no`, `include_docs=maybe`, `startkey=abc`, `key="a`,
		`keys=abc`, `keys="a"`, `keys={}`, `keys=["a"`, `keys=["a"]&key="a"`, `keys=["a"]&startkey="a"`, `keys=["a"]&end_key="a"`,
		`keys=["\ud800"]`, `startkey="\ud800"`,
	} {
		(&exchange{name: query, path: "_all_docs?" + escaped(query), status: 400, want: []string{`"error":"bad_request"`}}).run(t, site)
	}
	for _, body := range []string{`{`, `[]`, `{"keys":"a"}`, `{"keys":["a"],"startkey":"a"}`, `{"limit":-1}`, `{"keys":["a"]}x`, "{\"keys\":[\"\xff\"]}"} {
		(&exchange{name: body, method: "POST", path: "_all_docs", body: body, status: 400}).run(t, site)
	}
}

func TestAllDocsWithDocuments(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	writeEdits(t, db, replicated("foo", false, "2-b", "1-a"), replicated("foo", false, "2-c", "1-a"))
	writeEdits(t, db, syncstore.Edit{ID: "att", Attachments: []syncstore.AttachmentEdit{
		{Name: "a.txt", ContentType: "text/plain", Content: uploadContent(t, db, []byte("hello"))},
	}})
	runExchanges(t, site, []exchange{
		{name: "conflicts", path: "_all_docs?include_docs=true&conflicts=true",
			want: []string{`"doc":{"_id":"foo","_rev":"2-c","_conflicts":["2-b"],"v":"2-c"}}`}},
		{name: "no conflicts", path: "_all_docs?include_docs=true", not: []string{"_conflicts"}, want: []string{`"stub":true`}},
		{name: "conflicts without documents", path: "_all_docs?conflicts=true", not: []string{"_conflicts"}},
		{name: "content", path: "_all_docs?include_docs=true&attachments=true", want: []string{`"data":"aGVsbG8="`}, not: []string{`"stub"`}},
		{name: "content by keys", method: "POST", path: "_all_docs?include_docs=true&attachments=true", body: `{"keys":["att"]}`, want: []string{`"data":"aGVsbG8="`}},
	})
}

// A listing that needs several pieces is the same as if it went out at once.
func TestLongListingsAreComplete(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	ids := numbered("document-with-a-longer-name-", 2500)
	writeDocs(t, db, ids...)
	for query, n := range map[string]int{
		"": 2500, "descending=true": 2500, "include_docs=true": 2500, "limit=2000": 2000, "limit=2000&include_docs=true": 2000,
		"skip=100&limit=1900": 1900, "skip=100&descending=true": 2400, `endkey="document-with-a-longer-name-1999"`: 2000,
	} {
		page := parseAllDocs(t, (&exchange{path: "_all_docs?" + escaped(query)}).run(t, site).Body.String())
		require.Len(t, page.Rows, n, query)
		skip := 0
		if strings.Contains(query, "skip") {
			skip = 100
		}
		for i, row := range page.Rows {
			want := ids[min(skip+i, len(ids)-1)]
			if strings.Contains(query, "descending") {
				want = ids[len(ids)-1-skip-i]
			}
			require.Equal(t, want, row.ID, "%s row %d", query, i)
		}
	}
	keys := parseAllDocs(t, (&exchange{method: "POST", path: "_all_docs", body: fmt.Sprintf(`{"keys":%s}`, jsonOf(t, ids))}).run(t, site).Body.String())
	require.Len(t, keys.Rows, 2500)
}
