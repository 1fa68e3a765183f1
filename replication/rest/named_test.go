package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What becomes of a short name takes some fifty times as much memory as its text, and packed by gzip millions of
// them are a few kilobytes.
func TestARequestNamesNotAnyNumberOfDocuments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("d", `{}`)
	list := func(one string, n int) string { return "[" + strings.Repeat(one+",", n-1) + one + "]" }
	named := func(name, path, body string, status int) scenario {
		return scenario{
			name: name, method: http.MethodPost, path: "/notes/" + path, body: gzipped(t, body), status: status,
			header: map[string]string{"Content-Encoding": "gzip", "Content-Type": "application/json"},
		}
	}
	const some, most, half = 1000, maxNamed + 1, maxNamed/2 + 1
	var wide strings.Builder
	for i := range most {
		fmt.Fprintf(&wide, `,"%x":[]`, i)
	}
	s.runAll([]scenario{
		named("keys", "_all_docs", `{"limit":0,"keys":`+list("0", maxNamed)+`}`, 200),
		named("too many keys", "_all_docs", `{"limit":0,"keys":`+list("0", most)+`}`, 413),
		named("too many keys of queries", "_all_docs/queries", `{"queries":`+list(`{"limit":0,"keys":`+list("0", half)+`}`, 2)+`}`, 413),
		named("queries", "_all_docs/queries", `{"queries":`+list(`{"limit":0}`, maxQueries)+`}`, 200),
		named("too many queries", "_all_docs/queries", `{"queries":`+list("{}", maxQueries+1)+`}`, 400),
		named("documents of a feed", "_changes?filter=_doc_ids", `{"doc_ids":`+list(`"x"`, maxNamed)+`}`, 200),
		named("too many documents of a feed", "_changes?filter=_doc_ids", `{"doc_ids":`+list(`"x"`, most)+`}`, 413),
		named("channels of a feed", "_changes?filter=sync_gateway/bychannel", `{"channels":`+list(`"x"`, maxNamed)+`}`, 200),
		named("too many channels of a feed", "_changes?filter=sync_gateway/bychannel", `{"channels":`+list(`"x"`, most)+`}`, 413),
		named("too many with commas", "_changes?filter=sync_gateway/bychannel", `{"channels":"`+strings.Repeat("x,", most)+`"}`, 413),
		named("revisions", "_revs_diff", `{"d":`+list(`"1-a"`, some)+`}`, 200),
		named("too many revisions", "_revs_diff", `{"d":`+list(`"1-a"`, most)+`}`, 413),
		named("too many documents", "_revs_diff", "{"+wide.String()[1:]+"}", 413),
		named("too many of the older form", "_missing_revs", `{"d":`+list(`"1-a"`, most)+`}`, 413),
		named("known revisions", "_bulk_get", `{"docs":`+list(`{"id":"d","atts_since":`+list(`"1-a"`, some)+`}`, 2)+`}`, 200),
		named("too many known revisions", "_bulk_get", `{"docs":`+list(`{"id":"d","atts_since":`+list(`"1-a"`, half)+`}`, 2)+`}`, 413),
		named("too many where ancestors end", "_bulk_get", `{"docs":`+list(`{"id":"d","revs_from":`+list(`"1-a"`, half)+`}`, 2)+`}`, 413),
		named("too many options", "_all_docs", "{"+wide.String()[1:]+"}", 400),
	})
}
