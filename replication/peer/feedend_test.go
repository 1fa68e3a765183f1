package peer_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/stretchr/testify/require"
)

// atMost has the server give three rows of its feed at once, whatever it is asked for.
func atMost(w http.ResponseWriter, r *http.Request) bool {
	if q := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/_changes") && q.Get("limit") > "" {
		limit, _ := strconv.Atoi(q.Get("limit"))
		q.Set("limit", strconv.Itoa(min(limit, 3)))
		r.URL.RawQuery = q.Encode()
	}
	return false
}

func TestServersThatGiveShorterPagesThanAskedForAreReadWhole(t *testing.T) {
	t.Parallel()
	from, to, here := newServer(t), newServer(t), newServer(t)
	fill(from)
	from.meddleWith(atMost)
	to.meddleWith(atMost)
	run(t, here.to(peer.Pull, from.admin))
	require.Equal(t, from.content(), here.content())

	o := between(t, from, to)
	c, differ := compare(t, o)
	require.EqualValues(t, 36, c.Docs)
	require.Len(t, differ, 36, "nothing is there")
	run(t, o)
	require.Equal(t, from.content(), to.content())
	c, differ = compare(t, o)
	require.Empty(t, differ)
	require.EqualValues(t, 36, c.Docs)
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprintf("short%02d", i)
		from.put("/"+ids[i], `{}`)
	}
	c, differ = compare(t, o, ids...)
	require.EqualValues(t, len(ids), c.Docs)
	require.Len(t, differ, len(ids))
	r, err := peer.New(o)
	require.NoError(t, err)
	require.NoError(t, r.Retake(t.Context(), ids))
	require.Equal(t, from.content(), to.content())
}

func TestAFeedIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	const row = `{"seq":1,"id":"a","changes":[]}`
	page := func(rows, rest string) string { return `{"results":[` + rows + `],"last_seq":` + rest + `}` }
	for name, c := range map[string]struct {
		pages map[string]string // by since
		rows  int
	}{
		"nothing is said of what follows": {map[string]string{"0": page(row, "1"), "1": page(row, "2"), "2": page("", "2")}, 2},
		"what follows is said":            {map[string]string{"0": page(row, `1,"pending":1`), "1": page(row, `2,"pending":0`)}, 2},
		"a filter takes a page out":       {map[string]string{"0": page("", `1,"pending":2`), "1": page("", `2,"pending":1`), "2": page(row, `3,"pending":0`)}, 1},
		"what is to follow never comes":   {map[string]string{"0": page(row, `"1-a","pending":1`), "1-a": page("", `"1-b","pending":1`), "1-b": page("", `"1-c","pending":1`)}, 1},
		"it stays where it is":            {map[string]string{"0": page(row, `"1-a","pending":1`), "1-a": page("", `"1-a","pending":1`)}, 1},
		"all of it is for others":         {map[string]string{"0": page("", `7`)}, 0},
		"a page is full, and the last":    {map[string]string{"0": page(row+","+row, `2,"pending":0`), "2": page("", `2,"pending":0`)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				r := pullFrom(t, answering(func(r *http.Request) (string, error) {
					asked++
					require.Contains(t, c.pages, r.URL.Query().Get("since"))
					return c.pages[r.URL.Query().Get("since")], nil
				}), false)
				require.NoError(t, runFor(t, r, time.Hour))
				require.EqualValues(t, c.rows, r.Status().Rows)
				require.Equal(t, len(c.pages), asked)
			})
		})
	}
}

// A document that is given up counts as getting on, and is met again each time that the feed is read from the beginning.
func TestAFeedThatStaysIsAFailureAlsoBehindADocumentThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feed := answering(func(*http.Request) (string, error) {
			return `{"results":[{"seq":2,"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":2}`, nil
		})
		r := pullFrom(t, func(r *http.Request) (*http.Response, error) {
			answer, err := feed(r)
			if err == nil && r.URL.Path == "/db/_bulk_get" {
				answer.Header.Set("Content-Type", "application/json")
				answer.Body = io.NopCloser(strings.NewReader(`{"results":[{"id":"a","docs":[{"ok":{"_id":"a","_rev":"1-a","n":1,"n":2}}]}]}`))
			}
			return answer, err
		}, false)
		require.ErrorContains(t, runFor(t, r, 24*time.Hour), "the same changes again and again")
		require.EqualValues(t, 1, r.Status().Failures)
	})
}

// Of a server that does not say what is pending, there is always one more change where somebody writes all the time.
func TestAPullFromAServerThatIsAlwaysWrittenToEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		feed := answering(func(*http.Request) (string, error) {
			asked++
			return fmt.Sprintf(`{"results":[{"seq":%d,"id":"a","changes":[]}],"last_seq":"%d"}`, asked, asked), nil
		})
		r := pullFrom(t, func(r *http.Request) (*http.Response, error) {
			answer, err := feed(r)
			if err == nil && r.URL.Path == "/db" {
				answer.Body = io.NopCloser(strings.NewReader(`{"db_name":"db","update_seq":3}`))
			}
			return answer, err
		}, false)
		require.NoError(t, runFor(t, r, time.Hour))
		require.Equal(t, 3, asked, "what was there when it began is here")
	})
}
