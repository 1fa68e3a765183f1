package rest

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecision38_TransfersTakeALeaseAfterASecondAndEndWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lease := newFakeLease()
		taken := 0
		a := newAnswer()
		g := newGuard(func() (heldLease, error) { taken++; return lease, nil }, http.NewResponseController(a), time.Now())
		defer g.stop()
		time.Sleep(leaseAfter - 1)
		synctest.Wait()
		require.Zero(t, taken, "short transfers need none")
		time.Sleep(1)
		synctest.Wait()
		require.Equal(t, 1, taken)
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
