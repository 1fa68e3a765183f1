package peer_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// strict is a policy that refuses bad documents until it is mended.
type strict struct{ mended *atomic.Bool }

func (s strict) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	if bytes.Contains(write.New.Body, []byte(`"bad":true`)) && !s.mended.Load() {
		return syncstore.Outcome{}, fmt.Errorf("%w: it is bad", syncstore.ErrRejected)
	}
	return syncstore.Outcome{}, nil
}

// refusing are two servers of which the target refuses what is bad at the source.
func refusing(t *testing.T, direction peer.Direction) (here, there, from, to *server, mended *atomic.Bool) {
	t.Helper()
	here, there = newServer(t), newServer(t)
	from, to = there, here
	if direction == peer.Push {
		from, to = here, there
	}
	mended = new(atomic.Bool)
	to.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{mended}, Version: "1"})
	large := strings.Repeat("A", 200<<10)
	from.bulk(
		`{"_id":"a","_rev":"1-a","bad":true}`, `{"_id":"b","_rev":"1-b"}`, `{"_id":"both","_rev":"1-a","bad":true}`, `{"_id":"both","_rev":"1-b","bad":true}`,
		`{"_id":"large","_rev":"1-a","bad":true,"_attachments":{"a":{"content_type":"text/plain","data":"`+large+`"}}}`,
	)
	return here, there, from, to, mended
}

// Nobody would ask for it ever after: the position is behind it.
func TestWhatATargetRefusesIsTriedAgainWithTheNextReplication(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there, from, to, mended := refusing(t, direction)
			_, status := run(t, here.to(direction, there.admin))
			require.EqualValues(t, 4, status.Failures)
			require.Equal(t, 4, status.LeftBehind)
			require.Equal(t, "b 1-b {} 1-b", to.content())

			result, status := run(t, here.to(direction, there.admin))
			require.True(t, result.NoChanges)
			require.Zero(t, status.Failures, "those that are known are not counted again")
			require.Equal(t, 4, status.LeftBehind)

			from.put("/a?rev=1-a", `{"bad":true,"changed":true}`)
			mended.Store(true)
			result, status = run(t, here.to(direction, there.admin))
			require.Equal(t, from.content(), to.content())
			require.Zero(t, status.Failures)
			require.Zero(t, status.LeftBehind)
			require.EqualValues(t, 4, result.Sessions[0].DocsWritten)

			result, _ = run(t, here.to(direction, there.admin))
			require.True(t, result.NoChanges)
		})
	}
}

func TestWhatATargetRefusesIsTriedAgainWhileAReplicationGoesOn(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there, from, to, mended := refusing(t, direction)
			r, _ := start(t, here.to(direction, there.admin))
			eventually(t, func() bool { return r.Status().State == peer.Idle })
			require.Equal(t, 4, r.Status().LeftBehind)
			mended.Store(true)
			eventually(t, func() bool { return r.Status().LeftBehind == 0 })
			require.Equal(t, from.content(), to.content())
			require.EqualValues(t, 4, r.Status().Failures, "that it did not go at once is still true")
		})
	}
}

func TestWhatATargetElsewhereRefusesIsTriedAgain(t *testing.T) {
	t.Parallel()
	_, there, from, to, mended := refusing(t, peer.Pull)
	target, c, err := peer.ParseURL(to.admin)
	require.NoError(t, err)
	o := to.to(peer.Pull, there.admin)
	o.Open, o.Target, o.ReadOnly = nil, &peer.Remote{URL: target, Credentials: c}, true
	_, status := run(t, o)
	require.Equal(t, 4, status.LeftBehind)
	mended.Store(true)
	_, status = run(t, o)
	require.Zero(t, status.LeftBehind)
	require.Equal(t, from.content(), to.content())
}

func TestWhatIsGoneAtTheSourceIsForgotten(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		for _, together := range []bool{true, false} {
			here, there, from, to, _ := refusing(t, direction)
			there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
				if !together && strings.HasSuffix(r.URL.Path, "/_bulk_get") {
					w.WriteHeader(http.StatusMethodNotAllowed)
					return true
				}
				return false
			})
			_, status := run(t, here.to(direction, there.admin))
			require.Equal(t, 4, status.LeftBehind)
			answered, text := from.ask(http.MethodPost, "/_purge", `{"a":["1-a"],"large":["*"],"both":["*"]}`)
			require.Equal(t, http.StatusCreated, answered, text)
			_, status = run(t, here.to(direction, there.admin))
			require.Zero(t, status.LeftBehind)
			require.Equal(t, "b 1-b {} 1-b", to.content())
		}
	}
}

// Where more is left behind than is remembered, the feed is looked through again from the first that is not.
func TestWhatIsTriedAgainIsBounded(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		for _, continuous := range []bool{true, false} {
			t.Run(fmt.Sprint(direction, " ", continuous), func(t *testing.T) {
				t.Parallel()
				here, there, from, to, mended := refusing(t, direction)
				var docs []string
				for n := range 1100 {
					docs = append(docs, fmt.Sprintf(`{"_id":"doc%d","_rev":"1-a","bad":true}`, n))
				}
				from.bulk(docs...)
				o := here.to(direction, there.admin)
				if continuous {
					r, _ := start(t, o)
					eventually(t, func() bool { return r.Status().State == peer.Idle })
					require.Equal(t, 1000, r.Status().LeftBehind)
					mended.Store(true)
					eventually(t, func() bool { return r.Status().Written == 1105 })
					eventually(t, func() bool { return r.Status().LeftBehind == 0 })
				} else {
					_, status := run(t, o)
					require.EqualValues(t, 1104, status.Failures)
					require.Equal(t, 1000, status.LeftBehind)
					mended.Store(true)
					_, status = run(t, o)
					require.Zero(t, status.LeftBehind)
					require.EqualValues(t, 1104, status.Written)
					result, _ := run(t, o)
					require.True(t, result.NoChanges)
				}
				require.Equal(t, from.content(), to.content())
			})
		}
	}
}

// Sync Gateway's rows of refused documents have no revision, and PouchDB Server's say true where others name the error.
func TestWhatATargetRefusesInItsOwnWordsIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{
		"Sync Gateway":   `{"id":"a","status":403,"error":"forbidden","reason":"no"}`,
		"PouchDB Server": `{"id":"a","status":403,"name":"forbidden","message":"no","error":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			here.bulk(`{"_id":"a","_rev":"1-a","bad":true}`, `{"_id":"b","_rev":"1-b"}`)
			there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
					return false
				}
				text, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(text))
				if !bytes.Contains(text, []byte(`"bad"`)) {
					return false
				}
				w.WriteHeader(http.StatusCreated)
				fmt.Fprint(w, "["+row+"]")
				return true
			})
			_, status := run(t, here.to(peer.Push, there.admin))
			require.EqualValues(t, 1, status.Failures)
			require.Equal(t, 1, status.LeftBehind)
			there.meddleWith(nil)
			run(t, here.to(peer.Push, there.admin))
			require.Contains(t, there.content(), "a 1-a")
		})
	}
}

// It is the source that has nothing any more, not the target.
func TestWhatATargetCallsMissingIsNotForgotten(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	large := base64.StdEncoding.EncodeToString(make([]byte, 100<<10))
	here.bulk(`{"_id":"doc","_rev":"1-a","_attachments":{"a":{"content_type":"text/plain","data":"` + large + `"}}}`)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/doc") {
			http.Error(w, `{"error":"not_found","reason":"missing"}`, http.StatusNotFound)
			return true
		}
		return false
	})
	for range 3 {
		_, status := run(t, here.to(peer.Push, there.admin))
		require.Equal(t, 1, status.LeftBehind)
	}
	there.meddleWith(nil)
	run(t, here.to(peer.Push, there.admin))
	require.Equal(t, here.content(), there.content())
}

// Of an attachment that is not there the document is.
func TestADocumentWhoseAttachmentIsMissingIsNotForgotten(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.bulk(`{"_id":"doc","_rev":"1-a","_attachments":{"a":{"content_type":"text/plain","data":"eA=="}}}`)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/doc/a") {
			http.Error(w, `{"error":"not_found","reason":"missing"}`, http.StatusNotFound)
			return true
		}
		return false
	})
	for range 3 {
		_, status := run(t, here.to(peer.Pull, there.admin))
		require.Equal(t, 1, status.LeftBehind)
	}
	there.meddleWith(nil)
	run(t, here.to(peer.Pull, there.admin))
	require.Equal(t, there.content(), here.content())
}

// checkpointOf is what the server has of a replication with it.
func (s *server) checkpointOf(o peer.Options) (path, text string) {
	s.t.Helper()
	r, err := peer.New(o)
	require.NoError(s.t, err)
	path = "/_local/" + r.ID()
	status, text := s.ask(http.MethodGet, path, "")
	require.Equal(s.t, http.StatusOK, status, text)
	return path, text
}

// What was tried again went to a target that has lost it since.
func TestATargetThatIsRestoredGetsWhatWasTriedAgain(t *testing.T) {
	t.Parallel()
	here, there, from, to, mended := refusing(t, peer.Push)
	o := here.to(peer.Push, there.admin)
	run(t, o)
	path, backup := there.checkpointOf(o)
	mended.Store(true)
	run(t, o)
	require.Equal(t, from.content(), to.content())
	// The backup had b alone.
	status, text := there.ask(http.MethodPost, "/_purge", `{"a":["*"],"large":["*"],"both":["*"]}`)
	require.Equal(t, http.StatusCreated, status, text)
	_, now := there.checkpointOf(o)
	var old, current map[string]any
	require.NoError(t, json.Unmarshal([]byte(backup), &old))
	require.NoError(t, json.Unmarshal([]byte(now), &current))
	old["_rev"] = current["_rev"]
	delete(old, "_id")
	body, _ := json.Marshal(old)
	status, text = there.ask(http.MethodPut, path, string(body))
	require.Equal(t, http.StatusCreated, status, text)
	run(t, o)
	require.Equal(t, from.content(), to.content())
}

// A source need not say which revision it is that it does not give.
func TestWhatASourceDoesNotNameIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{`"error":"forbidden","reason":"no"`, `"error":true,"name":"forbidden","status":403`, `"error":"x","status":500`} {
		here, there := newServer(t), newServer(t)
		there.bulk(`{"_id":"a","_rev":"1-a"}`)
		there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/_bulk_get") {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"results":[{"id":"a","docs":[{"error":{"id":"a",%s}}]}]}`, refusal)
			return true
		})
		_, status := run(t, here.to(peer.Pull, there.admin))
		require.EqualValues(t, 1, status.Failures, refusal)
		require.Equal(t, 1, status.LeftBehind, refusal)
		there.meddleWith(nil)
		run(t, here.to(peer.Pull, there.admin))
		require.Equal(t, "a 1-a {} 1-a", here.content())
	}
}
