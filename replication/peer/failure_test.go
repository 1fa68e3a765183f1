package peer_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// A replication that is stopped anywhere goes on, and looks at nothing twice that it has seen
// through.
func TestReplicationGoesOnAfterAStopAnywhere(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		for stop := 1; stop < 20; stop += 3 {
			t.Run(fmt.Sprint(direction, " at request ", stop), func(t *testing.T) {
				t.Parallel()
				here, there := newServer(t), newServer(t)
				from, to := there, here
				if direction == peer.Push {
					from, to = here, there
				}
				fill(from)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var n atomic.Int64
				there.meddleWith(func(http.ResponseWriter, *http.Request) bool {
					if n.Add(1) == int64(stop) {
						cancel()
					}
					return false
				})
				o := here.to(direction, there.admin)
				o.Batch = 5
				r, err := peer.New(o)
				require.NoError(t, err)
				_, err = r.Run(ctx)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, peer.Stopped, r.Status().State)
				there.meddleWith(nil)
				run(t, o)
				require.Equal(t, from.content(), to.content())
			})
		}
	}
}

// Each request fails once, in one way or another.
func TestReplicationBearsAServerThatFails(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			from, to := there, here
			if direction == peer.Push {
				from, to = here, there
			}
			fill(from)
			var n atomic.Int64
			there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
				switch n.Add(1) % 17 {
				case 3:
					w.WriteHeader(http.StatusServiceUnavailable)
				case 8:
					panic(http.ErrAbortHandler)
				case 14:
					if !strings.Contains(r.URL.Path, "/_") {
						return false
					}
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"results":[{"id":"doc`))
				default:
					return false
				}
				return true
			})
			o := here.to(direction, there.admin)
			o.Batch, o.Attempts = 7, 100
			run(t, o)
			there.meddleWith(nil)
			require.Equal(t, from.content(), to.content())
		})
	}
}

func TestABadDocumentDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	t.Run("that the target refuses", func(t *testing.T) {
		t.Parallel()
		here, there := newServer(t), newServer(t)
		here.bulk(`{"_id":"a","_rev":"1-a"}`, `{"_id":"bad","_rev":"1-a"}`, `{"_id":"c","_rev":"1-a"}`)
		there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
				return false
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`[{"id":"bad","rev":"1-a","error":"forbidden","reason":"secret body"}]`))
			return true
		})
		_, status := run(t, here.to(peer.Push, there.admin))
		require.EqualValues(t, 1, status.Failures)
		require.EqualValues(t, 2, status.Written)
	})
	t.Run("that the store does not take", func(t *testing.T) {
		t.Parallel()
		here, there := newServer(t), newServer(t)
		there.bulk(`{"_id":"a","_rev":"1-a"}`, `{"_id":"bad","_rev":"1-a","big":"`+strings.Repeat("x", 5000)+`"}`, `{"_id":"c","_rev":"1-a"}`)
		o := here.to(peer.Pull, there.admin)
		o.MaxDocument = 1000
		_, status := run(t, o)
		require.EqualValues(t, 1, status.Failures)
		require.EqualValues(t, 2, status.Written)
		require.Contains(t, here.content(), "c 1-a")
	})
	t.Run("whose attachment is never what it should be", func(t *testing.T) {
		t.Parallel()
		here, there := newServer(t), newServer(t)
		fill(there)
		there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/more.bin") {
				_, _ = w.Write([]byte("other"))
				return true
			}
			return false
		})
		_, status := run(t, here.to(peer.Pull, there.admin))
		require.EqualValues(t, 1, status.Failures)
		require.EqualValues(t, 37, status.Written)
	})
	t.Run("whose attachment cannot be read here", func(t *testing.T) {
		t.Parallel()
		for _, size := range []int{100, 100 << 10} {
			here, there := newServer(t), newServer(t)
			here.bulk(fmt.Sprintf(`{"_id":"bad","_rev":"1-a","_attachments":{"a":{"data":%q}}}`, base64.StdEncoding.EncodeToString(make([]byte, size))))
			here.loseContent()
			here.bulk(`{"_id":"good","_rev":"1-a"}`)
			_, status := run(t, here.to(peer.Push, there.admin))
			require.EqualValues(t, 1, status.Failures)
			require.Equal(t, "good 1-a {} 1-a", there.content())
		}
	})
	t.Run("that is left out of the answer", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{`{"results":[]}`, `{"results":[{"id":"a","docs":[]}]}`} {
			for _, left := range []int{1, 100} {
				here, there := newServer(t), newServer(t)
				there.bulk(`{"_id":"a","_rev":"1-a"}`)
				there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.HasSuffix(r.URL.Path, "/_bulk_get") || there.times("POST /_bulk_get") > left {
						return false
					}
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(text))
					return true
				})
				_, status := run(t, here.to(peer.Pull, there.admin))
				require.Equal(t, left == 1, strings.Contains(here.content(), "a 1-a"))
				require.Equal(t, left != 1, status.Failures == 1)
			}
		}
	})
	t.Run("one of many that fail in a page", func(t *testing.T) {
		t.Parallel()
		here, there := newServer(t), newServer(t)
		for i := range 6 {
			there.bulk(fmt.Sprintf(`{"_id":"bad%d","_rev":"1-a","_attachments":{"a":{"data":"eA=="}}}`, i))
		}
		there.bulk(`{"_id":"good","_rev":"1-a"}`, `{"_id":"none","_rev":"1-a","_attachments":{"gone":{"data":"eA=="}}}`)
		there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasSuffix(r.URL.Path, "/a"):
				w.WriteHeader(http.StatusInternalServerError)
			case strings.HasSuffix(r.URL.Path, "/gone"):
				http.Error(w, `{"error":"not_found"}`, http.StatusNotFound)
			default:
				return false
			}
			return true
		})
		o := here.to(peer.Pull, there.admin)
		told := make(map[string]int)
		o.OnFailure = func(id, _ string, _ error) { told[id]++ }
		result, status := run(t, o)
		require.EqualValues(t, 7, status.Failures)
		require.EqualValues(t, 7, result.Sessions[0].DocWriteFailures)
		require.Len(t, told, 7)
		for id, times := range told {
			require.Equal(t, 1, times, id)
		}
		require.Contains(t, here.content(), "good 1-a")
	})
	t.Run("that alone is not understood", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{`{"_id":"bad0","_rev":"1-a"}`, `{"_id":"bad0","_rev":"1-a"},{"_id":"bad1","_rev":"1-a"}`} {
			here, there := newServer(t), newServer(t)
			here.bulk(bad)
			there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
				text, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(text))
				if !strings.HasSuffix(r.URL.Path, "/_bulk_docs") || !bytes.Contains(text, []byte("bad")) {
					return false
				}
				http.Error(w, `{"error":"illegal_docid","reason":"Document id is too long"}`, http.StatusBadRequest)
				return true
			})
			r, _ := start(t, here.to(peer.Push, there.admin))
			eventually(t, func() bool { return r.Status().State == peer.Idle })
			require.EqualValues(t, strings.Count(bad, "_id"), r.Status().Failures)
			here.bulk(`{"_id":"good","_rev":"1-a"}`)
			eventually(t, func() bool { return strings.Contains(there.content(), "good 1-a") })
		}
	})
	t.Run("that cannot be parsed", func(t *testing.T) {
		t.Parallel()
		here := newServer(t)
		there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch {
			case strings.HasPrefix(r.URL.Path, "/db/_local/") && r.Method == http.MethodGet:
				w.WriteHeader(http.StatusNotFound)
			case r.URL.Path == "/db/_changes" && r.URL.Query().Get("since") != "0":
				_, _ = w.Write([]byte(`{"results":[],"last_seq":[3,"x"]}`))
			case r.URL.Path == "/db/_changes":
				_, _ = w.Write([]byte(`{"results":[{"seq":[1,"x"],"id":"_user/alice","changes":[{"rev":"1-a"}]},
					{"seq":[2,"x"],"id":"a","changes":[{"rev":"1-a"},{"rev":"none"}]},{"seq":[2,"x"],"id":"b","changes":[{"rev":"1-b"}]}],"last_seq":[3,"x"]}`))
			case r.URL.Path == "/db/_bulk_get":
				_, _ = w.Write([]byte(`{"results":[{"id":"a","docs":[{"ok":{"_id":"a","_rev":"1-a","a":1,"a":2}}]},{"id":"b","docs":[{"ok":{"_id":"b","_rev":"1-b","b":1}}]}]}`))
			default:
				_, _ = w.Write([]byte(`{"ok":true,"rev":"0-1"}`))
			}
		}))
		t.Cleanup(there.Close)
		result, status := run(t, here.to(peer.Pull, there.URL+"/db"))
		require.Equal(t, `b 1-b {"b":1} 1-b`, here.content())
		require.EqualValues(t, 2, status.Failures)
		require.Equal(t, `[3,"x"]`, string(result.LastSeq))
	})
}

// A proxy that has no server to send requests to for a moment answers for none of the documents.
func TestWhatAProxyRefusesIsNotGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		for _, refusal := range []int{http.StatusNotFound, http.StatusForbidden} {
			t.Run(fmt.Sprint(direction, " ", refusal), func(t *testing.T) {
				t.Parallel()
				here, there := newServer(t), newServer(t)
				from, to := there, here
				if direction == peer.Push {
					from, to = here, there
				}
				large := base64.StdEncoding.EncodeToString(make([]byte, 100<<10))
				from.bulk(`{"_id":"doc","_rev":"1-a","_attachments":{"a":{"content_type":"text/plain","data":"`+large+`"}}}`, `{"_id":"other","_rev":"1-a"}`)
				var refused atomic.Int64
				there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.Contains(r.URL.Path, "/doc") || refused.Add(1) > 2 {
						return false
					}
					http.Error(w, "<html>no server</html>", refusal)
					return true
				})
				_, status := run(t, here.to(direction, there.admin))
				require.Zero(t, status.Failures)
				require.Equal(t, from.content(), to.content())
			})
		}
	}
}

// A database that is not there for a moment, or not for who asks, says nothing of its documents.
func TestWhatIsRefusedWithTheWholeDatabaseIsNotGivenUp(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		for _, c := range []struct {
			status int
			answer string
		}{
			{http.StatusNotFound, `{"error":"not_found","reason":"no_db_file"}`},
			{http.StatusNotFound, `{"error":"not_found","reason":"Database does not exist."}`},
			{http.StatusNotFound, `{"error":"not_found","reason":"no such database \"notes\""}`},
			{http.StatusForbidden, `{"error":"forbidden","reason":"You are not allowed to access this db."}`},
		} {
			t.Run(fmt.Sprint(direction, " ", c.answer), func(t *testing.T) {
				t.Parallel()
				here, there := newServer(t), newServer(t)
				from, to := there, here
				if direction == peer.Push {
					from, to = here, there
				}
				large := base64.StdEncoding.EncodeToString(make([]byte, 100<<10))
				from.bulk(`{"_id":"doc","_rev":"1-a","_attachments":{"a":{"content_type":"text/plain","data":"`+large+`"}}}`, `{"_id":"other","_rev":"1-a"}`)
				var gone, back atomic.Bool
				var asked atomic.Int64
				there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
					of := strings.TrimPrefix(r.URL.Path, "/notes")
					switch {
					case of == "/_bulk_get":
						w.WriteHeader(http.StatusMethodNotAllowed)
						return true
					case strings.HasPrefix(of, "/doc"):
						gone.Store(true)
					}
					if !gone.Load() || back.Load() {
						return false
					}
					back.Store(of == "" && asked.Add(1) == 2)
					http.Error(w, c.answer, c.status)
					return true
				})
				r, _ := start(t, here.to(direction, there.admin))
				eventually(t, func() bool { return r.Status().State == peer.Idle })
				require.Zero(t, r.Status().Failures)
				require.Equal(t, from.content(), to.content())
			})
		}
	}
}

// CouchDB 1 has no _bulk_get, and proxies in between know neither form.
func TestPullWithoutBulkGet(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	fill(there)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_bulk_get") {
			w.WriteHeader(http.StatusNotAcceptable)
			return true
		}
		return false
	})
	run(t, here.to(peer.Pull, there.admin))
	require.Equal(t, there.content(), here.content())
	require.Equal(t, 2, there.times("POST /_bulk_get"), "in JSON, then in parts, then no more")
}

func TestFailuresThatDoNotPassEndAReplication(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	for name, c := range map[string]struct{ url, want string }{
		"no database":  {strings.Replace(there.admin, "/notes", "/none", 1), "404 Not Found (not_found: no_db_file)"},
		"no sign-in":   {there.public, "401 Unauthorized"},
		"bad password": {strings.Replace(there.public, "http://", "http://alice:s3cret@", 1), "401 Unauthorized"},
		"nobody there": {"http://alice:s3cret@127.0.0.1:1/notes", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := peer.New(here.to(peer.Pull, c.url))
			require.NoError(t, err)
			_, err = r.Run(t.Context())
			require.ErrorIs(t, err, peer.ErrRemote)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, fmt.Sprintf("%+v", r.Status()), "s3cret")
			require.Equal(t, peer.Failed, r.Status().State)
		})
	}
}

// What is sent is for the server that was named.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	here := newServer(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect is followed") }))
	t.Cleanup(elsewhere.Close)
	there := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(there.Close)
	r, err := peer.New(here.to(peer.Pull, there.URL+"/db"))
	require.NoError(t, err)
	_, err = r.Run(t.Context())
	require.ErrorContains(t, err, "is not followed")
}

func TestNoSecretIsLoggedOrTold(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	here, there := newServer(t), newServer(t)
	there.bulk(`{"_id":"a","_rev":"1-a","body":"planted"}`)
	var requests atomic.Int64
	there.meddleWith(func(w http.ResponseWriter, _ *http.Request) bool {
		if n := requests.Add(1); n == 3 || n == 6 {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	o := here.to(peer.Pull, strings.Replace(there.admin, "http://", "http://alice:s3cret@", 1))
	o.Logger, o.Attempts, o.MaxDocument = zap.New(core), 100, 3
	r, err := peer.New(o)
	require.NoError(t, err)
	_, _ = r.Run(t.Context())
	require.NotZero(t, logs.Len())
	for _, entry := range logs.All() {
		text := fmt.Sprint(entry.Message, entry.ContextMap())
		require.NotContains(t, text, "s3cret")
		require.NotContains(t, text, "planted")
	}
	require.NotContains(t, fmt.Sprintf("%+v %v", r.Status(), o.Remote.Credentials), "s3cret")
	require.NotContains(t, fmt.Sprintf("%#v", o.Remote.Credentials), "s3cret")
}

func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	fill(there)
	var spoken atomic.Bool
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_bulk_get") && spoken.CompareAndSwap(false, true) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client is gone
			<-r.Context().Done()
			return true
		}
		return false
	})
	o := here.to(peer.Pull, there.admin)
	o.Patience, o.Attempts = 500*time.Millisecond, 100 // a busy machine may be silent for so long, too
	run(t, o)
	require.True(t, spoken.Load())
	require.Equal(t, there.content(), here.content())
}
