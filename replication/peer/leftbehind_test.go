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
	"time"

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

// A revision that was refused for the user, or in the channels, that a replication is limited to, is asked for by its
// name: what came after it may be for others.
func TestWhatIsTriedAgainStaysWithinTheChannels(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	var mended atomic.Bool
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	here.bulk(`{"_id":"a","_rev":"1-a","bad":true,"channels":["a"]}`)
	o := here.to(peer.Push, there.admin)
	o.Channels = []string{"a"}
	_, status := run(t, o)
	require.Equal(t, 1, status.LeftBehind)
	here.put("/a?rev=1-a", `{"channels":["secret"]}`)
	mended.Store(true)
	_, status = run(t, o)
	require.Zero(t, status.LeftBehind)
	require.NotContains(t, there.content(), "secret")

	for _, limit := range []func(*peer.Options){
		func(o *peer.Options) { o.Channels = []string{"a"} },
		func(o *peer.Options) { o.Selector = []byte(`{"_id":{"$gte":"c"}}`) },
	} {
		here, there, _, _, mended := refusing(t, peer.Pull)
		there.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
		there.bulk(`{"_id":"c","_rev":"1-c","bad":true,"channels":["a"]}`, `{"_id":"d","_rev":"1-d","channels":["a"]}`)
		o := here.to(peer.Pull, there.admin)
		limit(&o)
		_, status := run(t, o)
		require.NotZero(t, status.Failures)
		require.Zero(t, status.LeftBehind)
		require.NotContains(t, here.content(), "c 1-c")
		mended.Store(true)
		_, status = run(t, o)
		require.Zero(t, status.Failures)
		require.Contains(t, here.content(), "c 1-c")
		require.NotContains(t, here.content(), "a 1-a")
		result, _ := run(t, o)
		require.True(t, result.NoChanges)
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

// A revision that ends every session that asks for it must not end each at its beginning.
func TestWhatIsTriedAgainDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	here, there, from, to, _ := refusing(t, peer.Push)
	run(t, here.to(peer.Push, there.admin))
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/large") {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	from.bulk(`{"_id":"new","_rev":"1-a"}`)
	o := here.to(peer.Push, there.admin)
	_, status := run(t, o)
	require.Equal(t, 4, status.LeftBehind)
	require.Contains(t, to.content(), "new 1-a")
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

// One that breaks whatever asks for it must not keep the others from being tried.
func TestOneThatBreaksWhatIsTriedAgainKeepsNoOthersBack(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	var mended atomic.Bool
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	large := base64.StdEncoding.EncodeToString(make([]byte, 100<<10))
	here.bulk(`{"_id":"a","_rev":"1-a","bad":true,"_attachments":{"a":{"content_type":"text/plain","data":"`+large+`"}}}`, `{"_id":"b","_rev":"1-b","bad":true}`)
	run(t, here.to(peer.Push, there.admin))
	mended.Store(true)
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/a") {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	for range 30 {
		run(t, here.to(peer.Push, there.admin))
	}
	require.Contains(t, there.content(), "b 1-b")
}

// What is refused in a way that does not pass would end a replication at its beginning, and any after it.
func TestWhatIsTriedAgainDoesNotFailAReplication(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	var mended atomic.Bool
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	there.bulk(`{"_id":"a","_rev":"1-a","bad":true,"_attachments":{"a":{"content_type":"text/plain","data":"eA=="}}}`)
	run(t, here.to(peer.Pull, there.admin))
	there.bulk(`{"_id":"b","_rev":"1-b"}`)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/a/a") {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	_, status := run(t, here.to(peer.Pull, there.admin))
	require.Equal(t, 1, status.LeftBehind)
	require.Contains(t, here.content(), "b 1-b")
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

// A target keeps a checkpoint in which whoever writes to it may name what is not for it.
func TestWhatATargetRemembersIsAmongTheDocumentsThatItIsGiven(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.bulk(`{"_id":"a","_rev":"1-a"}`, `{"_id":"secret","_rev":"1-a"}`)
	push, relay := from.to(peer.Push, to.admin), between(t, from, to)
	for _, o := range []peer.Options{push, relay} {
		o.DocIDs = []string{"a"}
		run(t, o)
		path, text := to.checkpointOf(o)
		status, text := to.ask(http.MethodPut, path, strings.TrimRight(text, "}\n")+`,"left_behind":[{"id":"secret","rev":"1-a"}]}`)
		require.Equal(t, http.StatusCreated, status, text)
		run(t, o)
		require.Equal(t, "a 1-a {} 1-a", to.content())
	}
}

// By another policy the same revision may be in other channels.
func TestWhatIsTriedAgainIsStillInTheChannels(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	var mended atomic.Bool
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	here.bulk(`{"_id":"a","_rev":"1-a","bad":true,"channels":["a"]}`, `{"_id":"deleted","_rev":"1-a","channels":["a"]}`)
	o := here.to(peer.Push, there.admin)
	o.Channels = []string{"a"}
	run(t, o)
	here.bulk(`{"_id":"deleted","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"_deleted":true,"bad":true}`)
	_, status := run(t, o)
	require.Equal(t, 2, status.LeftBehind)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: hiding{}, Version: "2"})
	require.NoError(t, here.db.Default().StartResync(t.Context()))
	eventually(t, func() bool {
		s, err := here.db.Default().ResyncStatus(t.Context())
		return err == nil && s.State != syncstore.ResyncRunning
	})
	mended.Store(true)
	run(t, o)
	require.Equal(t, `deleted 2-b {"bad":true} deleted 2-b 1-a`, there.content())
}

// hiding is a policy that has all in one channel.
type hiding struct{}

func (hiding) Evaluate(context.Context, syncstore.Evaluation) (o syncstore.Outcome, err error) {
	o.Channels = []string{"secret"}
	return o, nil
}

// What is tried again seldom, and breaks the connection each time, fails once each time.
func TestFailuresInARowBeginAnewWhenAllIsReplicated(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	var mended atomic.Bool
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	there.bulk(`{"_id":"a","_rev":"1-a","bad":true,"_attachments":{"a":{"content_type":"text/plain","data":"eA=="}}}`)
	run(t, here.to(peer.Pull, there.admin))
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/a/a") {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	r, _ := start(t, here.to(peer.Pull, there.admin))
	most := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		most = max(most, r.Status().Attempts)
	}
	require.LessOrEqual(t, most, 2)
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
