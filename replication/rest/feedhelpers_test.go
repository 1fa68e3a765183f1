package rest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// feedDatabase is an empty database in memory.
func feedDatabase(tb testing.TB) *syncstore.Database {
	tb.Helper()
	_, db := feedStore(tb)
	return db
}

func feedStore(tb testing.TB) (*syncstore.Store, *syncstore.Database) {
	tb.Helper()
	eng := memory.New()
	store, err := syncstore.Open(tb.Context(), eng, syncstore.Options{})
	require.NoError(tb, err)
	db, err := store.CreateDatabase(tb.Context(), "notes")
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, store.Close())
		require.NoError(tb, eng.Close())
	})
	return store, db
}

// writeDocs makes documents with small bodies and returns their revisions.
func writeDocs(tb testing.TB, db *syncstore.Database, ids ...string) []syncstore.Rev {
	tb.Helper()
	edits := make([]syncstore.Edit, len(ids))
	for i, id := range ids {
		edits[i] = syncstore.Edit{ID: id, Body: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	return writeEdits(tb, db, edits...)
}

func writeEdits(tb testing.TB, db *syncstore.Database, edits ...syncstore.Edit) []syncstore.Rev {
	tb.Helper()
	revs := make([]syncstore.Rev, len(edits))
	for i, result := range db.Default().Write(tb.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(tb, result.Err)
		revs[i] = result.Rev
	}
	return revs
}

// replicated makes an edit of new_edits=false; revs are newest first.
func replicated(id string, deleted bool, revs ...string) syncstore.Edit {
	edit := syncstore.Edit{ID: id, Deleted: deleted, Body: []byte(`{"v":"` + revs[0] + `"}`)}
	for _, text := range revs {
		rev, err := syncstore.ParseRev(text)
		if err != nil {
			panic(err)
		}
		edit.History = append(edit.History, rev)
	}
	return edit
}

// fakeLease is a lease that the test ends.
type fakeLease struct {
	ended  chan struct{}
	closed chan struct{}
}

func newFakeLease() *fakeLease {
	return &fakeLease{ended: make(chan struct{}), closed: make(chan struct{})}
}

func (l *fakeLease) Done() <-chan struct{} { return l.ended }
func (l *fakeLease) Close()                { close(l.closed) }

// answer is a connection that the test looks at while the handler writes.
type answer struct {
	mu       sync.Mutex
	header   http.Header
	status   int
	written  bytes.Buffer
	flushed  int // bytes that have reached the client
	flushes  int
	stalled  bool // the client reads nothing
	deadline chan struct{}
}

func newAnswer() *answer {
	return &answer{header: http.Header{}, deadline: make(chan struct{})}
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	stalled := a.stalled
	a.mu.Unlock()
	if stalled {
		<-a.deadline
		return 0, os.ErrDeadlineExceeded
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.written.Write(p)
}

func (a *answer) FlushError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.flushed = a.written.Len()
	a.flushes++
	return nil
}

func (a *answer) SetReadDeadline(time.Time) error { return nil }

func (a *answer) SetWriteDeadline(at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !at.IsZero() && at.Before(time.Now()) {
		close(a.deadline)
	}
	return nil
}

// seen is what has reached the client.
func (a *answer) seen() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(a.written.Bytes()[:a.flushed])
}

// all is what was written.
func (a *answer) all() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.written.String()
}

func (a *answer) stall() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stalled = true
}

// openFeed is a feed under way.
type openFeed struct {
	*answer
	feed      *changeFeed
	lease     *fakeLease
	refuse    error // instead of a lease
	leases    int
	stopping  chan struct{}
	closeConn context.CancelFunc
	err       error
	over      chan struct{}
}

// prepareFeed makes the feed of a _changes request, not yet running.
func prepareFeed(tb testing.TB, db *syncstore.Database, query string, header ...string) (*openFeed, context.Context) {
	tb.Helper()
	values, err := url.ParseQuery(query)
	require.NoError(tb, err)
	lastEventID := ""
	if len(header) > 0 {
		lastEventID = header[0]
	}
	options, err := parseChangesOptions(params{query: values}, lastEventID)
	require.NoError(tb, err)
	open := &openFeed{
		answer: newAnswer(), lease: newFakeLease(), stopping: make(chan struct{}), over: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(tb.Context())
	open.closeConn = cancel
	r := httptest.NewRequest(http.MethodGet, "/notes/_changes?"+query, nil).WithContext(ctx)
	rq := &request{
		w: open.answer, r: r, db: db, coll: db.Default(),
		principal: &auth.Principal{Name: "alice"}, started: time.Now(),
	}
	h := &Handler{Config: Config{Streams: open.stopping}}
	open.feed = h.newChangeFeed(rq, collectionChanges{rq.coll, rq.db}, options)
	open.feed.lease.take = func() (heldLease, error) {
		open.leases++
		return open.lease, open.refuse
	}
	return open, ctx
}

// startFeed runs the feed of a _changes request.
func startFeed(tb testing.TB, db *syncstore.Database, query string, header ...string) *openFeed {
	tb.Helper()
	open, ctx := prepareFeed(tb, db, query, header...)
	go open.run(ctx)
	return open
}

func (o *openFeed) run(ctx context.Context) {
	defer close(o.over)
	defer o.feed.close()
	o.err = o.feed.run(ctx)
}

func (o *openFeed) running() bool {
	select {
	case <-o.over:
		return false
	default:
		return true
	}
}

// runFeed answers a _changes request that does not wait.
func runFeed(tb testing.TB, db *syncstore.Database, query string) string {
	tb.Helper()
	open, ctx := prepareFeed(tb, db, query)
	open.run(ctx)
	require.NoError(tb, open.err)
	return open.all()
}

// numbered makes IDs.
func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return ids
}

func lines(text string) []string {
	text = strings.TrimPrefix(text, "\n") // by which it begins
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
