package rest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	require.NoError(t, s.recheck(&request{r: r, started: time.Now()}))
	require.ErrorIs(t, s.recheck(&request{r: r, started: time.Now().Add(-leaseAfter)}), refused)
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
