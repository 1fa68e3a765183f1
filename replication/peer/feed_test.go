package peer_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// answering is a server whose feed answers what changes says, in the time of a test.
func answering(changes func(r *http.Request) (string, error)) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		status, text := http.StatusOK, `{"ok":true,"rev":"0-1"}`
		switch {
		case strings.HasPrefix(r.URL.Path, "/db/_local/") && r.Method == http.MethodGet:
			status, text = http.StatusNotFound, `{"error":"not_found"}`
		case r.URL.Path == "/db/_changes":
			var err error
			if text, err = changes(r); err != nil {
				return nil, err
			}
		}
		return &http.Response{StatusCode: status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	}
}

// pullFrom pulls from such a server into an empty database. It is for a bubble of synctest.
func pullFrom(t *testing.T, from roundTrip, continuous bool) *peer.Replication {
	t.Helper()
	e := memory.New()
	store, err := syncstore.Open(t.Context(), e, syncstore.Options{})
	require.NoError(t, err)
	db, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, e.Close())
	})
	u, _, err := peer.ParseURL("http://other/db")
	require.NoError(t, err)
	r, err := peer.New(peer.Options{
		Direction: peer.Pull, Keyspace: "notes", Remote: peer.Remote{URL: u}, Continuous: continuous, Transport: from, Batch: 2,
		Open: func() (peer.Local, error) { return peer.Local{Database: db, Collection: db.Default()}, nil },
	})
	require.NoError(t, err)
	return r
}

// runFor runs a replication for some time.
func runFor(t *testing.T, r *peer.Replication, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_, err := r.Run(ctx)
	return err
}

func TestAServerWithoutLongpollIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := pullFrom(t, answering(func(*http.Request) (string, error) {
			asked++
			return `{"results":[],"last_seq":"7"}`, nil
		}), true)
		require.ErrorIs(t, runFor(t, r, time.Minute), context.DeadlineExceeded)
		require.Less(t, asked, 150)
		require.Greater(t, asked, 30)
	})
}

func TestAFeedThatDoesNotGetOnIsAFailure(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]string{
		"full pages":    `{"seq":1,"id":"a","changes":[]},{"seq":2,"id":"b","changes":[]}`,
		"shorter pages": `{"seq":2,"id":"b","changes":[]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			r := pullFrom(t, answering(func(*http.Request) (string, error) {
				asked++
				return `{"results":[` + rows + `],"last_seq":2}`, nil
			}), false)
			require.ErrorContains(t, runFor(t, r, time.Hour), "the other server gives the same changes again and again", name)
			require.Less(t, asked, 20)
		})
	}
}

// A proxy that ends each request after a minute does not make a quiet replication one that fails: it would look
// only every five minutes for what is new.
func TestARequestThatIsEndedWhileNothingHappensIsSoonMadeAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := pullFrom(t, answering(func(r *http.Request) (string, error) {
			if r.URL.Query().Get("feed") == "longpoll" {
				asked++
				time.Sleep(time.Minute)
				return "", io.EOF
			}
			return `{"results":[],"last_seq":"7"}`, nil
		}), true)
		require.ErrorIs(t, runFor(t, r, time.Hour), context.DeadlineExceeded)
		require.Greater(t, asked, 50)
	})
}

// One whose longpoll fails at once is waited for longer and longer.
func TestAFeedThatFailsAtOnceIsAskedMoreAndMoreRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := pullFrom(t, answering(func(r *http.Request) (string, error) {
			if r.URL.Query().Get("feed") == "longpoll" {
				asked++
				return "", io.EOF
			}
			return `{"results":[],"last_seq":"7"}`, nil
		}), true)
		require.ErrorIs(t, runFor(t, r, time.Hour), context.DeadlineExceeded)
		require.Less(t, asked, 40)
	})
}
