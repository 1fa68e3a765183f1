package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// revocation is one cause of the matrix, and who is concerned by it.
type revocation struct {
	cause    string
	database string // default notes
	// headers are credentials with which feeds are opened; none must be good afterwards.
	headers []map[string]string
	// end causes it and returns the time from which the second counts.
	end func(t *testing.T, m *matrix) time.Time
	// fresh signs the same user in anew.
	fresh func(t *testing.T, m *matrix) map[string]string

	feeds   []*watchedFeed
	sockets []*watchedSocket
}

// matrix is the server of the test.
type matrix struct {
	*harness.Server

	with, without harness.Settings // the provider "gone"
}

// watchedFeed is an open feed that somebody reads.
type watchedFeed struct {
	openFeed

	done chan struct{} // closed at its end
	at   time.Time     // valid then
	body string
	err  error

	since string // where a client goes on
}

func watch(feed openFeed) *watchedFeed {
	w := &watchedFeed{openFeed: feed, done: make(chan struct{})}

	go func() {
		defer close(w.done)

		body, err := io.ReadAll(feed.res.Body)
		w.at, w.body, w.err = time.Now(), string(body), err
	}()

	return w
}

var lastSeq = regexp.MustCompile(`"last_seq":"([^"]+)"`)

// requireEnded is where a client goes on that was told the end: the feed ended within a
// second of from, not before, and with a whole body.
func (w *watchedFeed) requireEnded(t *testing.T, from time.Time) (since string) {
	t.Helper()

	select {
	case <-w.done:
	case <-time.After(5 * time.Second):
		require.FailNow(t, "the "+w.kind+" feed goes on")
	}

	require.NoError(t, w.err, "the %s feed was cut", w.kind)
	require.Less(t, w.at.Sub(from), time.Second, w.kind)
	require.Greater(t, w.at.Sub(from), -100*time.Millisecond, "the %s feed ended too early", w.kind)

	text := strings.TrimSpace(w.body)
	switch last := text[strings.LastIndex(text, "\n")+1:]; w.kind {
	case "longpoll":
		require.True(t, json.Valid([]byte(text)), text)
	case "continuous":
		require.True(t, json.Valid([]byte(last)), text)
	case "eventsource":
		require.Contains(t, text, "event: last_seq")
	}

	found := lastSeq.FindStringSubmatch(text)
	require.Len(t, found, 2, text)

	return found[1]
}

// newMatrix starts a server with two providers and, in the database brief, short sessions.
func newMatrix(t *testing.T) *matrix {
	t.Helper()

	with := harness.Settings{
		IDPClient: "backchannel_logout {{.URL}}/notes/_oidc_backchannel_logout",
		IDP:       "user expired\nuser aged\nuser listed\nuser disabled\nuser deleted\nuser bound",
		Before: `sync_dev_idp {
			issuer {{.URL}}/idp2
			client notes
			users  guest
			data   {{.Dir}}/idp2
		}`,
		Database: "password_auth",
		Sync: `oidc gone {
			issuer      {{.URL}}/idp2
			client_id   notes
			user_prefix gone
			register
		}
		database brief {
			oidc dev
			session {
				lifetime 4s
			}
		}
		stream_close_delay 1h`,
		Databases:    "notes brief",
		DatabaseOIDC: "dev gone",
	}
	without := with
	without.DatabaseOIDC = "dev"

	return &matrix{Server: harness.New(t, harness.Options{Settings: with}), with: with, without: without}
}

func (m *matrix) token(t *testing.T, user string, form url.Values) string {
	t.Helper()

	token, err := m.Token(t.Context(), user, form)
	require.NoError(t, err)

	return token
}

func bearerOf(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// session makes a session and returns its cookie as a header, and when it was made.
func (m *matrix) session(t *testing.T, database string, r request) (header map[string]string, made time.Time) {
	t.Helper()

	r.method, r.url = http.MethodPost, "/"+database+"/_session"
	got := ask(t, m.Server, r)
	require.Equal(t, http.StatusOK, got.status, got.body)

	pair, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")

	return map[string]string{"Cookie": pair}, time.Now()
}

// admin is a request to the administrator's site, which must be well.
func (m *matrix) admin(t *testing.T, method, path, body string) time.Time {
	t.Helper()

	got := ask(t, m.Server, request{method: method, url: m.AdminURL + path, body: body})
	require.Less(t, got.status, http.StatusBadRequest, "%s %s: %s", method, path, got.body)

	return time.Now()
}

func (m *matrix) write(t *testing.T, database, id string) {
	t.Helper()

	got := askAfterReload(t, m.Server, request{
		method: http.MethodPut, url: "/" + database + "/" + id, body: `{}`, header: bearer(t, m.Server, "carol"),
	})
	require.Equal(t, http.StatusCreated, got.status, got.body)
}

// openAll opens feeds of every kind with each of the credentials.
func (m *matrix) openAll(t *testing.T, database string, headers []map[string]string) (feeds []*watchedFeed) {
	t.Helper()

	for _, header := range headers {
		for _, feed := range openFeedsAt(t, m.Server, database, header) {
			feeds = append(feeds, watch(feed))
		}
	}

	return feeds
}

// byToken signs in by a new token.
func byToken(user string) func(*testing.T, *matrix) map[string]string {
	return func(t *testing.T, m *matrix) map[string]string {
		t.Helper()

		return bearerOf(m.token(t, user, nil))
	}
}

// TestLiveRevocation is the matrix of issue 3: whatever ends a sign-in ends all that it
// has open within a second: every kind of feed, with a whole body, and replications of
// Couchbase Lite of every version, without a close frame; and a client that signs in anew
// goes on where it was.
func TestLiveRevocation(t *testing.T) {
	t.Parallel()

	m := newMatrix(t)
	m.write(t, "notes", "before")
	m.write(t, "brief", "before")

	// What expires by itself is last signed in and first looked at.
	causes := append([]*revocation{m.sessionDeleted(t), m.backchannelLogout(t)}, m.userCauses(t)...)
	causes = append(causes, m.providerRemoved(t))
	carol := []map[string]string{bearer(t, m.Server, "carol")}
	others, otherSockets := m.openAll(t, "notes", carol), m.openSockets(t, "notes", carol)
	expiries := m.expiries(t)
	causes = append(expiries, causes...)

	for _, r := range causes {
		if r.database == "" {
			r.database = "notes"
		}

		r.sockets = m.openSockets(t, r.database, r.headers)
		r.feeds = m.openAll(t, r.database, r.headers)
	}

	for _, r := range expiries {
		<-r.feeds[len(r.feeds)-1].done // which also makes the others old enough to hold a lease (DECISIONS 38)
	}

	for _, r := range causes {
		t.Run(r.cause+" ends feeds", func(t *testing.T) { r.requireEnded(t, m) })
	}

	for _, feed := range others {
		select {
		case <-feed.done:
			require.FailNow(t, "the feed of somebody else ended: "+feed.body)
		default:
		}
	}

	for _, socket := range otherSockets {
		requireOpen(t, socket.Lite)
	}

	// Not before all have ended: a longpoll ends by any change.
	m.write(t, "notes", "after")
	m.write(t, "brief", "after")

	for _, r := range causes {
		t.Run(r.cause+", and the client goes on", func(t *testing.T) { r.requireResumed(t, m) })
	}
}

func (r *revocation) requireEnded(t *testing.T, m *matrix) {
	t.Helper()

	from := r.end(t, m)

	for _, feed := range r.feeds {
		feed.since = feed.requireEnded(t, from)
	}

	for _, socket := range r.sockets {
		socket.requireEnded(t, m, r.database, from)
	}

	for _, header := range r.headers {
		got := askAfterReload(t, m.Server, request{url: "/" + r.database, header: header})
		require.Equal(t, http.StatusUnauthorized, got.status, "the old credentials: %s", got.body)
	}
}

func (r *revocation) requireResumed(t *testing.T, m *matrix) {
	t.Helper()

	fresh := r.fresh(t, m)

	for _, feed := range r.feeds {
		got := askAfterReload(t, m.Server, request{url: "/" + r.database + "/_changes?since=" + url.QueryEscape(feed.since), header: fresh})
		require.Equal(t, http.StatusOK, got.status, got.body)
		require.Contains(t, got.body, `"id":"after"`)
		require.NotContains(t, got.body, `"id":"before"`, "a resumed feed begins where it ended")
	}

	for _, socket := range r.sockets {
		socket.requireResumed(t, m, r.database, fresh)
	}
}
