package rest

import (
	"net/http"
	"testing"
)

// D.2, D.5: Couchbase Lite 1 says how much of a revision's ancestry it can use.
func TestAncestryIsCut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const doc = `{"new_edits":false,"docs":[{"_id":"d","_rev":"4-d","_revisions":{"start":4,"ids":["d","c","b","a"]}}]}`
	s.run(scenario{method: http.MethodPost, path: "/notes/_bulk_docs", body: doc, status: 201})
	whole := `"_revisions":{"start":4,"ids":["d","c","b","a"]}`
	two := `"_revisions":{"start":4,"ids":["d","c"]}`
	one := `"_revisions":{"start":4,"ids":["d"]}`
	for query, want := range map[string]string{
		"revs=true": whole, "revs=true&revs_limit=9": whole, "revs=true&revs_limit=0": whole, `revs=true&revs_from=["1-x"]`: whole,
		"revs=true&revs_limit=2": two, `revs=true&revs_from=["1-a","3-c"]`: two, `revs=true&revs_from=["3-c"]&revs_limit=1`: one,
		`revs=true&revs_from=["4-d"]`: whole, "revs=true&open_revs=all&revs_limit=2": two,
	} {
		s.run(scenario{name: query, path: "/notes/d?" + query, has: []string{want}})
	}
	bulk := func(query, entry string) scenario {
		return scenario{name: query + entry, method: http.MethodPost, path: "/notes/_bulk_get?revs=true" + query, body: `{"docs":[{"id":"d",` + entry + `}]}`}
	}
	for entry, want := range map[string]string{
		`"rev":"4-d"`: whole, `"rev":"4-d","revs_limit":2`: two, `"revs_from":["3-c","2-b"]`: two, `"revs_from":null,"revs_limit":null`: whole,
		`"revs_from":["x"]`: `"reason":"Invalid rev format"`,
	} {
		c := bulk("", entry)
		c.has = []string{want}
		s.run(c)
	}
	c := bulk("&revs_limit=1", `"rev":"4-d"`)
	c.has = []string{one}
	s.run(c)
	for _, query := range []string{"revs_limit=-1", "revs_limit=x", "revs_from=x", `revs_from=["x"]`} {
		s.run(scenario{name: query, path: "/notes/d?" + query, status: 400})
	}
	c = bulk("", `"revs_limit":-1`)
	c.status = 400
	s.run(c)
}
