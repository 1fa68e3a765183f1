package test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

var feedKinds = []string{"longpoll", "continuous", "eventsource"} // a constant

// openFeed is a feed whose headers have come, and which waits for changes.
type openFeed struct {
	kind string
	res  *http.Response
}

// openFeeds opens one feed of each kind.
func openFeeds(t *testing.T, s *harness.Server, header map[string]string) []openFeed {
	t.Helper()

	return openFeedsAt(t, s, "notes", header)
}

// openFeedsAt does so at any database.
func openFeedsAt(t *testing.T, s *harness.Server, database string, header map[string]string) []openFeed {
	t.Helper()

	feeds := make([]openFeed, 0, len(feedKinds))

	for _, kind := range feedKinds {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			s.URL+"/"+database+"/_changes?since=now&heartbeat=60000&feed="+kind, nil)
		require.NoError(t, err)

		for name, value := range header {
			req.Header.Set(name, value)
		}

		res, err := (&http.Client{Transport: new(http.Transport)}).Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { _ = res.Body.Close() })
		require.Equal(t, http.StatusOK, res.StatusCode, kind)
		require.Contains(t, res.Header.Get("Cache-Control"), "no-transform", "DECISIONS 38")

		feeds = append(feeds, openFeed{kind: kind, res: res})
	}

	return feeds
}

// requireEnd reads the feed to its end, which must come in time and be a whole body
// (DECISIONS 38): the client's next request is to get the 401, not an error of the
// connection.
func (f openFeed) requireEnd(t *testing.T, limit time.Duration) string {
	t.Helper()

	timer := time.AfterFunc(limit, func() { _ = f.res.Body.Close() })
	defer timer.Stop()

	body, err := io.ReadAll(f.res.Body)
	require.NoError(t, err, "the %s feed did not end well within %s: %s", f.kind, limit, body)

	text := strings.TrimSpace(string(body))

	switch f.kind {
	case "longpoll":
		var page struct {
			LastSeq *string `json:"last_seq"`
		}

		require.NoError(t, json.Unmarshal(body, &page), text)
		require.NotNil(t, page.LastSeq, text)
	case "continuous":
		last := text[strings.LastIndex(text, "\n")+1:]
		require.Contains(t, last, `"last_seq"`)
		require.True(t, json.Valid([]byte(last)), last)
	}

	return text
}

func TestDecision38_SignOutEndsEveryFeedWithAWholeBody(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	header := map[string]string{"Cookie": cookie(t, server, "alice")}
	feeds := openFeeds(t, server, header)
	other := openFeeds(t, server, map[string]string{"Cookie": cookie(t, server, "alice")})

	began := time.Now()
	out := ask(t, server, request{method: http.MethodDelete, url: "/notes/_session", header: header})
	require.Equal(t, http.StatusOK, out.status)

	for _, feed := range feeds {
		feed.requireEnd(t, 3*time.Second)
	}

	require.Less(t, time.Since(began), 2*time.Second)
	require.Equal(t, http.StatusUnauthorized, ask(t, server, request{url: "/notes", header: header}).status)

	// The user's other session is not touched: its feeds still bring changes.
	written := ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: `{}`, header: bearer(t, server, "bob")})
	require.Equal(t, http.StatusCreated, written.status)
	require.Contains(t, other[0].requireEnd(t, 3*time.Second), `"id":"a"`)
}

func TestStopEndsOpenFeedsAtOnce(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	feeds := openFeeds(t, server, bearer(t, server, "alice"))

	began := time.Now()

	require.NoError(t, server.Stop())
	require.Less(t, time.Since(began), 5*time.Second)

	for _, feed := range feeds {
		feed.requireEnd(t, time.Second)
	}
}

func TestDecision17_AReloadEndsOnlyFeedsItRefuses(t *testing.T) {
	t.Parallel()

	provider := newPanva(t)
	provider.start()

	both := provider.settings()
	both.NoIDP = false
	both.DatabaseOIDC = "dev panva"
	both.Sync += "\nstream_close_delay 1h"

	one := both
	one.DatabaseOIDC = "dev"

	server := harness.New(t, harness.Options{Settings: both})
	foreign := map[string]string{"Authorization": "Bearer " + tokenOf(t, provider)}
	// (The two alices are two people: the development provider's gets 403, DECISIONS 1.)
	require.Equal(t, http.StatusOK, ask(t, server, request{url: "/notes", header: foreign}).status)
	require.Equal(t, http.StatusForbidden, ask(t, server, request{url: "/notes", header: bearer(t, server, "alice")}).status)

	refused, kept := openFeeds(t, server, foreign), openFeeds(t, server, bearer(t, server, "bob"))

	require.NoError(t, server.Rewrite(one))
	require.NoError(t, server.Reload(t.Context()))

	began := time.Now()

	for _, feed := range refused {
		feed.requireEnd(t, 3*time.Second)
	}

	require.Less(t, time.Since(began), 2*time.Second)
	require.Equal(t, http.StatusUnauthorized, askAfterReload(t, server, request{url: "/notes", header: foreign}).status)

	// The others go on through the reload, and see what is written after it.
	written := ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: `{}`, header: bearer(t, server, "bob")})
	require.Equal(t, http.StatusCreated, written.status, written.body)
	require.Contains(t, kept[0].requireEnd(t, 3*time.Second), `"id":"a"`)
}

func TestASessionOutlivesACrash(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	kept := request{url: "/notes", header: map[string]string{"Cookie": cookie(t, server, "alice")}}
	ended := request{url: "/notes", header: map[string]string{"Cookie": cookie(t, server, "alice")}}

	out := ask(t, server, request{method: http.MethodDelete, url: "/notes/_session", header: ended.header})
	require.Equal(t, http.StatusOK, out.status)
	require.NoError(t, server.Kill())
	require.NoError(t, server.Restart(t.Context()))

	require.Equal(t, http.StatusOK, ask(t, server, kept).status)
	require.Equal(t, http.StatusUnauthorized, ask(t, server, ended).status, "an ended session must stay ended")
}
