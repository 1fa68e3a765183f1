package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestDecision38_TransfersTakeALeaseAfterASecondAndEndWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lease := newFakeLease()
		var taken atomic.Int64
		a := newAnswer()
		g := newGuard(func() (heldLease, error) { taken.Add(1); return lease, nil }, http.NewResponseController(a), time.Now())
		defer g.stop()
		time.Sleep(leaseAfter - time.Nanosecond)
		synctest.Wait()
		require.Zero(t, taken.Load(), "short transfers need none")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, int64(1), taken.Load())
		require.NoError(t, g.check())
		close(lease.ended)
		synctest.Wait()
		require.Equal(t, 401, asAnswer(g.check()).status)
		<-lease.closed
	})
}

func TestDecision38_RefusedLeaseEndsTheTransfer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		g := newGuard(func() (heldLease, error) { return nil, refused }, http.NewResponseController(newAnswer()), time.Now())
		time.Sleep(leaseAfter)
		synctest.Wait()
		require.ErrorIs(t, g.check(), refused)
		g.stop()
	})
}

func TestGuardStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lease := newFakeLease()
		g := newGuard(func() (heldLease, error) { return lease, nil }, http.NewResponseController(newAnswer()), time.Now())
		time.Sleep(2 * leaseAfter)
		g.stop()
		<-lease.closed
		short := newGuard(func() (heldLease, error) { panic("not needed") }, http.NewResponseController(newAnswer()), time.Now())
		short.stop()
		time.Sleep(2 * leaseAfter)
	})
	var none *guard
	require.NoError(t, none.check())
}

func TestDecision38_WritesThatTookLongAreJudgedAgain(t *testing.T) {
	t.Parallel()
	refused := errors.New("revoked")
	s := newSite(t, func(_ *Config, a *fakeAuth) { a.lease = refused })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "/notes/a", nil)
	require.NoError(t, err)
	alice := &auth.Principal{Name: "alice"}
	require.NoError(t, s.recheck(&request{r: r, principal: alice, started: time.Now()}))
	require.ErrorIs(t, s.recheck(&request{r: r, principal: alice, started: time.Now().Add(-leaseAfter)}), refused)
}

// Who has signed out, or was disabled, may hold requests open whose bodies are not whole: each would be one more
// read, or one more write.
func TestDecision38_WhoTakesLongToSendABodyIsJudgedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var revoked error
		take := func(s *site) {
			s.take = func(*request) (heldLease, error) { return newFakeLease(), revoked }
		}
		public, admin := newSite(t), newSite(t, adminSite)
		take(public)
		take(admin)
		for _, s := range []*site{public, admin} {
			s.put("a", `{}`)
		}
		for _, c := range []struct {
			at *site
			scenario
		}{
			{public, scenario{method: http.MethodPut, path: "/notes/_local/a", body: `{}`, status: http.StatusCreated}},
			{public, scenario{method: http.MethodPost, path: "/notes/_all_docs", body: `{"keys":["a"],"include_docs":true}`}},
			{public, scenario{method: http.MethodPost, path: "/notes/_changes", body: `{"include_docs":true}`}},
			{public, scenario{method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"a"}]}`}},
			{public, scenario{method: http.MethodPost, path: "/notes/_revs_diff", body: `{"a":["1-a"]}`}},
			{public, scenario{method: http.MethodPost, path: "/notes/_find", body: `{"selector":{}}`}},
			{admin, scenario{method: http.MethodPost, path: "/notes/_purge", body: `{"a":["*"]}`, status: http.StatusCreated}},
			{admin, scenario{method: http.MethodPost, path: "/_dbs_info", body: `{"keys":["notes"]}`}},
		} {
			slowly := func() *httptest.ResponseRecorder {
				r := c.at.request(c.scenario)
				r.Body = io.NopCloser(&lateReader{text: strings.NewReader(c.body)})
				return c.at.serveRequest(r)
			}
			revoked = loginRequired()
			require.Equal(t, http.StatusUnauthorized, slowly().Code, c.path)
			revoked = nil
			require.Equal(t, max(c.status, http.StatusOK), slowly().Code, c.path)
		}
	})
}

// lateReader has nothing to give before a lease is needed.
type lateReader struct {
	text io.Reader
	late bool
}

func (r *lateReader) Read(p []byte) (int, error) {
	if !r.late {
		r.late = true
		time.Sleep(leaseAfter)
	}
	return r.text.Read(p)
}

// endless is content without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestDecision38_DownloadsEndWithTheirLease(t *testing.T) {
	t.Parallel()
	lease := newFakeLease()
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rq := &request{w: w, r: r}
		g := newGuard(func() (heldLease, error) { return lease, nil }, http.NewResponseController(w), time.Now().Add(-leaseAfter))
		defer g.stop()
		_, err := io.Copy(&guarded{rq: rq, guard: g, status: http.StatusOK}, endless{})
		ended <- err
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	defer answer.Body.Close()
	_, err = io.CopyN(io.Discard, answer.Body, 1<<20)
	require.NoError(t, err)
	close(lease.ended)
	// The client reads nothing more: the server is stuck in a write, and must end all
	// the same.
	require.Error(t, <-ended)
	_, err = io.Copy(io.Discard, answer.Body)
	require.Error(t, err, "a cut answer must not look whole")
}

// waitsForEnd judges no write before its request is over.
type waitsForEnd struct{}

func (waitsForEnd) Evaluate(ctx context.Context, _ syncstore.Evaluation) (syncstore.Outcome, error) {
	<-ctx.Done()
	return syncstore.Outcome{}, ctx.Err()
}

// A client that is told 500 takes the server for broken, and one that is told 401 signs in again. What ends the request
// is the deadline by which the guard wakes it up, over a real connection.
func TestDecision38_WhoseLeaseEndsIsToldSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Default().SetPolicy(syncstore.Policy{Evaluator: waitsForEnd{}, Version: "1"})
	lease := newFakeLease()
	close(lease.ended)
	s.take = func(*request) (heldLease, error) { return lease, nil }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r, nil) }))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/notes/_bulk_docs", strings.NewReader(`{"docs":[{"_id":"a"}]}`))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer alice")
	r.Header.Set("Content-Type", "application/json")
	answer, err := server.Client().Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
}
