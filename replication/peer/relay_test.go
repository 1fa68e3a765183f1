package peer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// between are options of a pull from one server to another, neither of which is asked otherwise than by HTTP.
func between(t *testing.T, from, to *server) peer.Options {
	t.Helper()
	o := from.to(peer.Pull, from.admin)
	target := to.to(peer.Pull, to.admin).Remote
	o.Target, o.Open, o.ReadOnly = &target, nil, true
	return o
}

func compare(t *testing.T, o peer.Options, ids ...string) (*peer.Comparison, []string) {
	t.Helper()
	r, err := peer.New(o)
	require.NoError(t, err)
	var differ []string
	if len(ids) == 0 {
		ids = nil
	}
	c, err := r.Compare(t.Context(), ids, func(*peer.Comparison) {}, func(d peer.Difference) { differ = append(differ, d.ID+": "+d.What) })
	require.NoError(t, err)
	return c, differ
}

func TestAPullWritesToAnotherServer(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	fill(from)
	o := between(t, from, to)
	o.Batch = 7
	_, status := run(t, o)
	require.Equal(t, from.content(), to.content())
	require.Zero(t, status.Failures)
	require.EqualValues(t, 38, status.Written)
	require.Zero(t, from.times("PUT /_local"), "nothing is written at the source")
	c, differ := compare(t, o)
	require.Empty(t, differ)
	require.EqualValues(t, 36, c.Docs)
	require.EqualValues(t, 1, c.Deleted)
	require.EqualValues(t, 38, c.Leaves)
	require.Equal(t, c.Source.String(), c.Target.String())

	fetched := from.times("POST /_bulk_get")
	result, _ := run(t, o)
	require.True(t, result.NoChanges, "the target's checkpoint says that nothing is new")
	require.Equal(t, fetched, from.times("POST /_bulk_get"))
	from.put("/later", `{}`)
	_, status = run(t, o)
	require.EqualValues(t, 1, status.Written)
	require.Equal(t, from.content(), to.content())
}

func TestAPullToAnotherServerGoesOnWhereItWasEnded(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	fill(from)
	o := between(t, from, to)
	o.Batch = 3
	written := uint64(0)
	for round := 1; ; round++ {
		require.Less(t, round, 200)
		ctx, cancel := context.WithCancel(t.Context())
		var asked atomic.Int64
		to.meddleWith(func(http.ResponseWriter, *http.Request) bool {
			if asked.Add(1) > int64(round) {
				cancel()
				panic(http.ErrAbortHandler)
			}
			return false
		})
		r, err := peer.New(o)
		require.NoError(t, err)
		_, err = r.Run(ctx)
		cancel()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		written += r.Status().Written
	}
	require.LessOrEqual(t, written, uint64(38), "nothing was written twice")
	to.meddleWith(nil)
	require.Equal(t, from.content(), to.content())
}

// nothingBad is a policy that refuses documents which say that they are bad.
type nothingBad struct{}

func (nothingBad) Evaluate(_ context.Context, write syncstore.Evaluation) (o syncstore.Outcome, err error) {
	if bytes.Contains(write.New.Body, []byte(`"bad":true`)) {
		return o, fmt.Errorf("%w: %w", syncstore.ErrRejected, errLocked)
	}
	return o, nil
}

func TestWhatTheTargetRefusesIsToldAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	fill(from)
	from.put("/bad", `{"bad":true}`)
	to.db.Default().SetPolicy(syncstore.Policy{Evaluator: nothingBad{}, Version: "1"})
	o := between(t, from, to)
	told := make(map[string]string)
	o.OnFailure = func(id, _ string, reason error) { told[id] = reason.Error() }
	_, status := run(t, o)
	require.EqualValues(t, 1, status.Failures)
	require.Len(t, told, 1)
	require.Contains(t, told["bad"], "the target refused it: forbidden")
	c, differ := compare(t, o)
	require.Len(t, differ, 1)
	require.Contains(t, differ[0], "bad: revision 1-")
	require.Contains(t, differ[0], "is not there")
	require.EqualValues(t, 1, c.Different)

	// What passes it by now is taken though the checkpoint is behind it.
	to.db.Default().SetPolicy(syncstore.Policy{})
	r, err := peer.New(o)
	require.NoError(t, err)
	require.NoError(t, r.Retake(t.Context(), []string{"bad"}))
	_, differ = compare(t, o, "bad")
	require.Empty(t, differ)
}

func TestWhatDiffersIsFound(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	tree := `{"_id":"%s","_rev":"2-b","_revisions":{"start":2,"ids":["b","%s"]},"v":%d%s}`
	doc := func(id, ancestor string, v int, more string) string { return fmt.Sprintf(tree, id, ancestor, v, more) }
	attached := func(text string) string {
		return `,"_attachments":{"a":{"content_type":"text/plain","data":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}}`
	}
	from.bulk(
		doc("same", "a", 1, ""), doc("body", "a", 1, ""), doc("ancestry", "a", 1, ""), doc("attachment", "a", 1, attached("x")),
		doc("deleted", "a", 1, `,"_deleted":true`), doc("missing", "a", 1, ""), doc("order", "a", 1, `,"x":{"a":1,"b":[1.50,"é"]}`), doc("ahead", "a", 1, ""), doc("beside", "a", 1, ""),
	)
	to.bulk(
		doc("same", "a", 1, ""), doc("body", "a", 2, ""), doc("ancestry", "x", 1, ""), doc("attachment", "a", 1, attached("y")),
		doc("deleted", "a", 1, ""), doc("order", "a", 1, `, "x" : {"b":[1.50,"\u00e9"],"a":1}`), doc("ahead", "a", 1, ""),
		`{"_id":"ahead","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]}}`, doc("beside", "a", 1, ""), `{"_id":"beside","_rev":"1-other"}`,
	)
	c, differ := compare(t, between(t, from, to))
	require.ElementsMatch(t, []string{
		"body: the body of revision 2-b is another",
		"ancestry: the ancestry of revision 2-b is another",
		"attachment: the attachments of revision 2-b are others",
		"deleted: the deletion of revision 2-b is not there",
		"missing: revision 2-b is not there",
	}, differ)
	require.EqualValues(t, 2, c.Ahead, "what was written to at the target has lost nothing")
	require.NotEqual(t, c.Source.String(), c.Target.String())
}

// TestCompressedAttachmentsKeepTheirDigests pulls from a server that keeps text compressed, as CouchDB does.
func TestCompressedAttachmentsKeepTheirDigests(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("all work and no play ", 20_000))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text)
	require.NoError(t, w.Close())
	sum := md5.Sum(packed.Bytes())
	digest := "md5-" + base64.StdEncoding.EncodeToString(sum[:])
	for name, asCompressed := range map[string]bool{"given compressed": true, "given decoded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := newServer(t), newServer(t)
			from.put("/doc", `{}`) // whose row is answered
			rev := from.rev("doc")
			from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.HasSuffix(r.URL.Path, "/_bulk_get"):
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprintf(w, `{"results":[{"id":"doc","docs":[{"ok":{"_id":"doc","_rev":%q,"_attachments":{"a.txt":{"content_type":"text/plain","revpos":1,"digest":%q,`+
						`"length":%d,"stub":true,"encoding":"gzip","encoded_length":%d}}}}]}]}`, rev, digest, len(text), packed.Len())
				case strings.HasSuffix(r.URL.Path, "/doc/a.txt"):
					if asCompressed {
						w.Header().Set("Content-Encoding", "gzip")
						_, _ = w.Write(packed.Bytes())
					} else {
						_, _ = w.Write(text)
					}
				default:
					return false
				}
				return true
			})
			o := between(t, from, to)
			_, status := run(t, o)
			require.EqualValues(t, 1, status.Written)
			require.Zero(t, status.Failures)
			_, got := to.ask(http.MethodGet, "/doc/a.txt", "")
			require.Equal(t, string(text), got)
			_, stub := to.ask(http.MethodGet, "/doc", "")
			require.Equal(t, asCompressed, strings.Contains(stub, digest), stub)
			_, differ := compare(t, o)
			require.Empty(t, differ)
		})
	}
}

// TestAServerThatAnswersInPartsIsAskedForManyAtOnce: Sync Gateway's _bulk_get knows no JSON.
func TestAServerThatAnswersInPartsIsAskedForManyAtOnce(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	fill(from)
	from.put("/id", `{"id":7,"error":"no error"}`)
	from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_bulk_get") && !strings.Contains(r.Header.Get("Accept"), "multipart") {
			http.Error(w, `{"error":"Not Acceptable","reason":"Response is multipart"}`, http.StatusNotAcceptable)
			return true
		}
		return false
	})
	o := between(t, from, to)
	_, status := run(t, o)
	require.Zero(t, status.Failures)
	require.Equal(t, from.content(), to.content())
	require.Equal(t, 2, from.times("POST /_bulk_get"), "one that is refused, and one for all")
	require.Zero(t, from.times("GET /doc01"))
	_, differ := compare(t, o)
	require.Empty(t, differ)
}

// TestATargetThatRefusesEarlyLeavesNothingOpenAtTheSource: of a large attachment that the target does not want, the
// source has given but the beginning.
func TestATargetThatRefusesEarlyLeavesNothingOpenAtTheSource(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	content := make([]byte, 100<<10)
	sum := md5.Sum(content)
	from.put("/doc", `{"_attachments":{"a":{"content_type":"text/plain","data":"`+base64.StdEncoding.EncodeToString(content)+`"}}}`)
	rev := from.rev("doc")
	ended := make(chan struct{})
	from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_bulk_get"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"results":[{"id":"doc","docs":[{"ok":{"_id":"doc","_rev":%q,"_attachments":{"a":{"content_type":"text/plain","revpos":1,"digest":"md5-%s",`+
				`"length":%d,"stub":true}}}}]}]}`, rev, base64.StdEncoding.EncodeToString(sum[:]), 1<<30)
		case strings.HasSuffix(r.URL.Path, "/doc/a"):
			defer close(ended)
			for r.Context().Err() == nil {
				if _, err := w.Write(content); err != nil {
					break
				}
			}
		default:
			return false
		}
		return true
	})
	to.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/doc"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":"forbidden"}`))
			return true
		case r.Method == http.MethodPut:
			select { // the replication goes on
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("the source is still read from")
			}
		}
		return false
	})
	_, status := run(t, between(t, from, to))
	require.EqualValues(t, 1, status.Failures)
}

// A comparison knows the target as the side that it reads from.
func TestAComparisonBearsATargetThatRefusesADocument(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.bulk(`{"_id":"a","_rev":"1-a"}`)
	run(t, between(t, from, to))
	to.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_bulk_get"):
			w.WriteHeader(http.StatusMethodNotAllowed)
		case strings.HasSuffix(r.URL.Path, "/a"):
			http.Error(w, `{"error":"forbidden","reason":"not for you"}`, http.StatusForbidden)
		default:
			return false
		}
		return true
	})
	_, differ := compare(t, between(t, from, to))
	require.Len(t, differ, 1)
}

// What movein does with a document on which the target fails always.
func TestRetakeBearsADocumentThatAlwaysFails(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.bulk(`{"_id":"a","_rev":"1-a","bad":true}`, `{"_id":"b","_rev":"1-b"}`)
	to.db.Default().SetPolicy(syncstore.Policy{Evaluator: badFails{}, Version: "1"})
	o := between(t, from, to)
	told := 0
	o.OnFailure = func(string, string, error) { told++ }
	r, err := peer.New(o)
	require.NoError(t, err)
	_, err = r.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, told)
	require.NoError(t, r.Retake(t.Context(), []string{"a"}))
	require.Equal(t, 2, told)
}

// A comparison comes to its end, however many documents a side cannot give.
func TestAComparisonNamesAllThatASideFailsOn(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	var docs, rows []string
	for n := range 6 {
		docs = append(docs, fmt.Sprintf(`{"_id":"doc%d","_rev":"1-a"}`, n))
		rows = append(rows, fmt.Sprintf(`{"id":"doc%d","docs":[{"error":{"id":"doc%d","rev":"1-a","error":"internal_server_error","status":500}}]}`, n, n))
	}
	from.bulk(docs...)
	to.bulk(docs...)
	to.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/_bulk_get") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(rows, ","))
		return true
	})
	_, differ := compare(t, between(t, from, to))
	require.Len(t, differ, 6)
}
