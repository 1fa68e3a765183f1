package peer_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/stretchr/testify/require"
)

func TestReplicationSignsIn(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.put("/_user/alice", `{"password":"correct horse"}`)
	there.bulk(`{"_id":"a","_rev":"1-a"}`)
	for _, kind := range []peer.Kind{peer.Basic, peer.Session} {
		o := here.to(peer.Pull, there.public)
		o.Remote.Credentials = &peer.Credentials{Kind: kind, Name: "alice", Secret: "correct horse"}
		run(t, o)
		require.Contains(t, here.content(), "a 1-a")
	}
	require.Equal(t, 1, there.times("POST /_session"))
}

// CouchDB has sessions beside its databases, and answers 401 at a database that has members to whoever is not signed in.
func TestReplicationSignsInBesideADatabaseThatIsShut(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.put("/_user/alice", `{"password":"correct horse"}`)
	there.bulk(`{"_id":"a","_rev":"1-a"}`)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/notes/_session" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"unauthorized","reason":"You are not authorized to access this db."}`)
		return true
	})
	o := here.to(peer.Pull, there.public)
	o.Remote.Credentials = &peer.Credentials{Kind: peer.Session, Name: "alice", Secret: "correct horse"}
	run(t, o)
	require.Contains(t, here.content(), "a 1-a")

	o.Remote.Credentials = &peer.Credentials{Kind: peer.Session, Name: "alice", Secret: "wrong"}
	r, err := peer.New(o)
	require.NoError(t, err)
	_, err = r.Run(t.Context())
	var refused *peer.StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusUnauthorized, refused.Status)
}

// A session that has ended is made anew.
func TestReplicationSignsInAgain(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.put("/_user/alice", `{"password":"correct horse"}`)
	there.bulk(`{"_id":"a","_rev":"1-a"}`)
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_bulk_get") && there.times("POST /_session") == 1 {
			r.Header.Del("Cookie")
		}
		return false
	})
	o := here.to(peer.Pull, there.public)
	o.Remote.Credentials = &peer.Credentials{Kind: peer.Session, Name: "alice", Secret: "correct horse"}
	run(t, o)
	require.Equal(t, 2, there.times("POST /_session"))
	require.Contains(t, here.content(), "a 1-a")
}

// A token that is replaced is read when the replication goes on.
func TestBearerTokensAreReadAnew(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.bulk(`{"_id":"a","_rev":"1-a"}`)
	var token atomic.Value
	token.Store("old")
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer new" {
			r.Header.Del("Authorization")
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		token.Store("new")
		return true
	})
	o := here.to(peer.Pull, there.admin)
	o.Remote.Credentials = &peer.Credentials{Kind: peer.Bearer, Read: func() (string, error) { return token.Load().(string), nil }}
	run(t, o)
	require.Contains(t, here.content(), "a 1-a")
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://example.com/notes":                  "https://example.com/notes",
		"http://alice:s3cret@example.com:5984/db/":   "http://example.com:5984/db",
		"https://example.com/api/a%2Fb":              "https://example.com/api/a%2Fb",
		"https://example.com/":                       "",
		"notes":                                      "",
		"ftp://example.com/notes":                    "",
		"https://example.com/notes?a=s3cret":         "",
		"https://example.com/notes?":                 "", // a path behind it would be the query
		"http://alice:s3cret@exa mple/notes":         "",
		"file:///etc/passwd":                         "",
		"http://alice:s3cret@example.com:port/notes": "",
	} {
		u, _, err := peer.ParseURL(text)
		if want == "" {
			require.ErrorIs(t, err, peer.ErrBadURL, text)
			require.NotContains(t, err.Error(), "s3cret", text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, u.String())
	}
}

func TestManagerRunsAReplicationOnce(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	m := peer.NewManager(nil)
	o := here.to(peer.Pull, there.admin)
	o.Continuous = true
	r, err := m.Start(o)
	require.NoError(t, err)
	again, err := m.Start(o)
	require.ErrorIs(t, err, peer.ErrRunning)
	require.Same(t, r, again)
	_, err = m.Run(t.Context(), o)
	require.ErrorIs(t, err, peer.ErrRunning)
	require.Len(t, m.List(), 1)
	require.True(t, m.Cancel(r.ID()))
	require.False(t, m.Cancel(r.ID()))
	require.Equal(t, peer.Stopped, r.Status().State)

	o.Name = "up"
	require.NoError(t, m.Configure([]peer.Options{o}))
	require.NoError(t, m.Configure([]peer.Options{o}), "the former has stopped before")
	require.Len(t, m.List(), 1)
	require.Equal(t, "up", m.List()[0].Name)
	require.NoError(t, m.Configure(nil))
	require.Empty(t, m.List())
	m.Close()
	_, err = m.Start(o)
	require.ErrorIs(t, err, peer.ErrClosed)
}

// Whoever has tried a replication by a request, and writes it into the configuration then, finds it running.
func TestAReplicationOfTheConfigurationTakesThePlaceOfTheSameByRequest(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	m := peer.NewManager(nil)
	defer m.Close()
	o := here.to(peer.Pull, there.admin)
	o.Continuous = true
	asked, err := m.Start(o)
	require.NoError(t, err)
	o.Name = "configured"
	require.NoError(t, m.Configure([]peer.Options{o}))
	require.Equal(t, peer.Stopped, asked.Status().State)
	require.Len(t, m.List(), 1)
	require.Equal(t, "configured", m.List()[0].Name)
	twin := o
	twin.Name = "twin"
	require.ErrorIs(t, m.Configure([]peer.Options{o, twin}), peer.ErrRunning)
	require.Equal(t, "configured", m.List()[0].Name, "the first of two that are the same")
}

// A server that takes the connection and says nothing is given up at its sign-in as anywhere.
func TestASignInThatIsNotAnsweredIsGivenUp(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.put("/_user/alice", `{"password":"correct horse"}`)
	there.bulk(`{"_id":"a","_rev":"1-a"}`)
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_session") && there.times("POST /_session") == 1 {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client is gone
			<-r.Context().Done()
			return true
		}
		return false
	})
	o := here.to(peer.Pull, there.public)
	o.Remote.Credentials = &peer.Credentials{Kind: peer.Session, Name: "alice", Secret: "correct horse"}
	o.Patience = 200 * time.Millisecond
	o.Attempts = 50
	run(t, o)
	require.Contains(t, here.content(), "a 1-a")
}
