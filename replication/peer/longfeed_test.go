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

// A server that heeds no limit, or means harm, gives more rows in one answer than are taken at once.
func TestAFeedThatHeedsNoLimitIsReadPageByPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rows = 17_000
		asked := 0
		r := pullFrom(t, func(r *http.Request) (*http.Response, error) {
			answer, err := answering(func(*http.Request) (string, error) { return "", nil })(r)
			if r.URL.Path != "/db/_changes" {
				return answer, err
			}
			asked++
			since, err := strconv.Atoi(r.URL.Query().Get("since"))
			require.NoError(t, err)
			answer.Body = longFeed(since, rows)
			return answer, err
		}, false)
		require.NoError(t, runFor(t, r, time.Hour))
		require.EqualValues(t, rows, r.Status().Rows)
		require.Equal(t, 3, asked, "the last page is empty")
	})
}

// longFeed is the rest of a feed of users, of more than 64 MiB.
func longFeed(since, rows int) io.ReadCloser {
	from, to := io.Pipe()
	go func() {
		_, err := io.WriteString(to, `{"results":[`)
		for n := since + 1; n <= rows && err == nil; n++ {
			comma := ","
			if n == rows {
				comma = ""
			}
			_, err = fmt.Fprintf(to, `{"seq":%d,"id":"_user/%d","doc":%q}%s`, n, n, strings.Repeat("x", 4000), comma)
		}
		if err == nil {
			_, err = fmt.Fprintf(to, `],"last_seq":"%d","pending":0}`, rows)
		}
		_ = to.CloseWithError(err)
	}()
	return from
}

// A target that answers without an end for what it was sent takes no memory without an end.
func TestABulkAnswerOfFarMoreThanWasSentIsNotTaken(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.bulk(`{"_id":"a","_rev":"1-a"}`)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/notes/_bulk_docs" {
			return false
		}
		_, _ = io.WriteString(w, "["+strings.Repeat("{},", 20_000)+"{}]")
		return true
	})
	r, err := peer.New(here.to(peer.Push, there.admin))
	require.NoError(t, err)
	_, err = r.Run(t.Context())
	require.ErrorIs(t, err, peer.ErrRemote)
	require.Zero(t, r.Status().Written)
}
