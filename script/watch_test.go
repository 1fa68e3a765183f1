package script

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A virtual machine is paused for seconds when it is moved to another host.
func TestTimeInWhichTheProcessDidNotRunIsNotTheFunctions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int32
		w := newWatch(func(error) { stopped.Add(1) })
		w.begin(time.Second, 1<<40)
		time.Sleep(500 * time.Millisecond)
		w.mu.Lock()
		w.looked = w.looked.Add(-time.Minute) // as if the next look came that late
		w.mu.Unlock()
		time.Sleep(480 * time.Millisecond)
		require.NoError(t, w.end())
		require.Zero(t, stopped.Load())

		w.begin(time.Second, 1<<40)
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		require.Zero(t, stopped.Load())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 1, stopped.Load())
		require.ErrorIs(t, w.end(), ErrTimeout)
	})
}
