package rest

import (
	"net/http"
	"strings"
	"testing"
)

func bulkGetScenario(name, query, body string, status int, has ...string) scenario {
	return scenario{name: name, method: http.MethodPost, path: "/notes/_bulk_get" + query, body: body, status: status, has: has}
}

func TestBulkGet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.putAttachment("/notes/d/a", "text/plain", "one")
	s.run(bulkScenario("leaves", `{"new_edits":false,"docs":[{"_id":"r","_revisions":{"start":2,"ids":["c","a"]}},{"_id":"r","_revisions":{"start":2,"ids":["b","a"]}},
		{"_id":"gone","_rev":"2-x","_deleted":true}]}`, 201))
	s.runAll([]scenario{
		bulkGetScenario("by revision", "?revs=true", `{"docs":[{"id":"d","rev":"`+rev+`"}]}`, 200,
			`{"results":[{"id":"d","docs":[{"ok":{"_id":"d","_rev":"`+rev+`","_revisions":{"start":1,"ids":["`+rev[2:]+`"]}`, `"stub":true`),
		bulkGetScenario("attachments", "?attachments=true", `{"docs":[{"id":"d"}]}`, 200, `"data":"b25l"`),
		bulkGetScenario("known ancestor", "?attachments=true", `{"docs":[{"id":"d","atts_since":["`+rev+`"]}]}`, 200, `"stub":true`),
		bulkGetScenario("all leaves", "", `{"docs":[{"id":"r"}]}`, 200, `"2-c"`, `"2-b"`),
		bulkGetScenario("tombstone", "", `{"docs":[{"id":"gone","rev":"2-x"}]}`, 200, `{"ok":{"_id":"gone","_rev":"2-x","_deleted":true}}`),
		bulkGetScenario("latest", "?latest=true", `{"docs":[{"id":"r","rev":"1-a"}]}`, 200, `"2-c"`, `"2-b"`),
		bulkGetScenario("missing revision", "", `{"docs":[{"id":"r","rev":"9-z"}]}`, 200, `{"error":{"id":"r","rev":"9-z","error":"not_found","reason":"missing"}}`),
		bulkGetScenario("missing document", "", `{"docs":[{"id":"none"}]}`, 200, `{"error":{"id":"none","rev":"undefined","error":"not_found","reason":"missing"}}`),
		bulkGetScenario("bad revision", "", `{"docs":[{"id":"r","rev":"x"},{"id":"gone"}]}`, 200, `"error":"bad_request"`, `"2-x"`),
		bulkGetScenario("bad ID", "", `{"docs":[{"id":""}]}`, 200, `"error":"illegal_docid"`),
		bulkGetScenario("no ID", "", `{"docs":[{}]}`, 200, `"error":"bad_request"`),
		bulkGetScenario("nothing", "", `{"docs":[]}`, 200, `{"results":[]}`),
		bulkGetScenario("no docs", "", `{}`, 400, "docs"),
		bulkGetScenario("docs an object", "", `{"docs":{}}`, 400, "docs"),
		bulkGetScenario("malformed", "", `{"docs":[{"id":"d"}`, 400, "bad_request"),
		bulkGetScenario("entry a number", "", `{"docs":[1]}`, 400, "bad_request"),
		bulkGetScenario("too much", "", `{"docs":[{"id":"d","atts_since":["1-a"`+strings.Repeat(`,"1-a"`, maxOptionsBody/6)+`]}]}`, 413, "too_large"),
	})
	refused := bulkGetScenario("neither", "", `{"docs":[]}`, 406, "not_acceptable")
	refused.header = map[string]string{"Accept": "image/png"}
	s.run(refused)
}

func TestRevsDiff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(bulkScenario("known", `{"new_edits":false,"docs":[{"_id":"r","_revisions":{"start":2,"ids":["b","a"]}}]}`, 201))
	diff := func(name, body string, status int, has ...string) scenario {
		return scenario{name: name, method: http.MethodPost, path: "/notes/_revs_diff", body: body, status: status, has: has}
	}
	s.runAll([]scenario{
		diff("all known", `{"r":["2-b","1-a"]}`, 200, "{}\n"),
		diff("some", `{"r":["2-b","3-c"],"none":["1-x"]}`, 200, `"r":{"missing":["3-c"],"possible_ancestors":["2-b"]}`, `"none":{"missing":["1-x"]}`),
		diff("underscored and escaped IDs", `{"_design/x":["1-a"],"a\u0022b":["1-a"]}`, 200, `"_design/x":{"missing":["1-a"]}`, `"a\"b":{`),
		diff("none", `{}`, 200, "{}\n"),
		diff("array", `[]`, 400, "bad_request"),
		diff("not an array", `{"r":"2-b"}`, 400, "bad_request"),
		diff("no revision", `{"r":["x"]}`, 400, "bad_request"),
		diff("numbers", `{"r":[1]}`, 400, "bad_request"),
		diff("twice", `{"r":["1-a"],"r":["1-b"]}`, 400, "bad_request"),
		diff("too much", `{"`+strings.Repeat("r", maxOptionsBody)+`":[]}`, 413, "too_large"),
	})
}
