package caddysync

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStoreIsClosedAfterItsLastRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRequests()
		ctx, cancel := context.WithCancel(t.Context())
		one, ok := r.begin(httptest.NewRecorder(), cancel)
		require.True(t, ok)
		two, ok := r.begin(httptest.NewRecorder(), cancel)
		require.True(t, ok)
		require.Equal(t, 2, r.count())
		two.end()

		r.close()
		_, ok = r.begin(httptest.NewRecorder(), cancel)
		require.False(t, ok, "no further request")

		began := time.Now()
		require.Equal(t, 1, r.wait(time.Minute), "one is left when the time is over")
		require.Equal(t, time.Minute, time.Since(began))

		go func() {
			<-ctx.Done()
			one.end()
		}()
		r.cancel()
		require.Equal(t, 0, r.wait(time.Minute))
		require.Equal(t, time.Minute, time.Since(began), "at once")
	})
}
