package rest

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
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

// A document may have a thousand leaves with a thousand ancestors each, and who asks for them may say that they know
// 250 000 revisions. To look for each of the ones among the others would take a processor for many minutes.
func TestWhatAClientKnowsIsFoundInTime(t *testing.T) {
	t.Parallel()
	text := []byte{'['}
	for i := range maxNamed {
		text = append(strconv.AppendInt(append(text, `"1-`...), int64(i), 10), `",`...)
	}
	text = append(text[:len(text)-1], ']')
	known, err := parseKnownRevs(string(text), "atts_since", maxNamed)
	require.NoError(t, err)
	history := make([]syncstore.Rev, 1000)
	for i := range history {
		history[i] = syncstore.Rev{Gen: uint64(2000 - i), Digest: "a"}
	}
	cut := ancestry{known: known}
	begun := time.Now()
	for range 100 {
		require.Zero(t, known.newestOf(history))
		require.Len(t, cut.cut(history), 1000)
	}
	require.Less(t, time.Since(begun), 20*time.Second)
	history[700] = syncstore.Rev{Gen: 1, Digest: "700"}
	require.EqualValues(t, 1, known.newestOf(history))
	require.Len(t, cut.cut(history), 701)
}
