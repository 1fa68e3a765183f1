package test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// exactBody has what a parser that goes through float64 or a map would change.
const exactBody = `"int":9007199254740993,"neg":-9223372036854775808,"big":123456789012345678901234567890,` +
	`"dec":0.1000000000000000055511151231257827,"zero":1.000,"exp":1E+400,"minus":-0,` +
	`"z":1,"a":2,"esc":"\u00e9\/\ud83d\ude00 é😀","nested":{"b":[1.10,{"y":0,"x":0}]},"<>&":"<>&"`

func TestBodiesComeBackByteForByte(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	header := bearer(t, server, "alice")
	spaced := strings.ReplaceAll(exactBody, `"z":1`, "\n\t \"z\" : 1")

	put := ask(t, server, request{method: http.MethodPut, url: "/notes/put", body: "{" + exactBody + "}", header: header})
	require.Equal(t, http.StatusCreated, put.status, put.body)

	pushed := ask(t, server, request{
		method: http.MethodPost, url: "/notes/_bulk_docs", header: header,
		body: `{"docs":[{"_id":"pushed","_rev":"1-abc",` + spaced + `}],"new_edits":false}`,
	})
	require.Equal(t, http.StatusCreated, pushed.status, pushed.body)

	posted := ask(t, server, request{
		method: http.MethodPost, url: "/notes/_bulk_docs", header: header,
		body: `{"docs":[{` + exactBody + `,"_id":"posted"}]}`,
	})
	require.Equal(t, http.StatusCreated, posted.status, posted.body)

	for _, id := range []string{"put", "pushed", "posted"} {
		for _, r := range []request{
			{url: "/notes/" + id},
			{url: "/notes/" + id + "?revs=true&conflicts=true"},
			{url: "/notes/" + id + "?open_revs=all"},
			{url: "/notes/_all_docs?include_docs=true&key=%22" + id + "%22"},
			{url: "/notes/_changes?include_docs=true"},
			{method: http.MethodPost, url: "/notes/_bulk_get?revs=true", body: `{"docs":[{"id":"` + id + `"}]}`},
		} {
			r.header = header
			got := ask(t, server, r)
			require.Equal(t, http.StatusOK, got.status, got.body)

			for part := range strings.SplitSeq(exactBody, `,"nested`) {
				require.Contains(t, unspaced(got.body), part, "%s of %s", r.url, id)
			}
		}
	}

	require.NoError(t, server.Kill())
	require.NoError(t, server.Restart(t.Context()))
	require.Contains(t, ask(t, server, request{url: "/notes/put", header: header}).body, exactBody)
}

// unspaced undoes what the test put between tokens; the server may keep it.
func unspaced(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, `"z" : 1`, `"z":1`), "\n\t ", "")
}
