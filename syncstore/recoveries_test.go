package syncstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// Who keeps records in memory is told of a recovery when reads show what became of the commit in doubt, and before
// anything else is written; a recovery of which they could not be told is none.
func TestDecision32WhoKeepsRecordsInMemoryIsToldOfARecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		put := func(value string) error {
			return f.update(func(tx RecordTx) error { tx.Put(0, []byte("a"), []byte(value), time.Time{}); return nil })
		}
		require.NoError(t, put("before"))
		var told []string
		var refused []error
		stop := f.store.Records().OnRecovery(func(context.Context) error {
			told, refused = append(told, f.record(0, "a")), append(refused, put("meanwhile"))
			if len(told) == 1 {
				return errors.New("not now")
			}
			return nil
		})
		f.engine.FailNext(engine.ErrDoubtful)
		require.ErrorIs(t, put("doubtful"), ErrUnavailable)
		time.Sleep(recoverWait / 2)
		require.ErrorIs(t, put("too early"), ErrUnavailable)
		time.Sleep(recoverWait)
		synctest.Wait()
		require.Equal(t, []string{"doubtful", "doubtful"}, told)
		require.Equal(t, []error{ErrUnavailable, ErrUnavailable}, refused)
		require.NoError(t, put("after"))

		stop()
		f.engine.FailNext(engine.ErrDoubtful)
		require.ErrorIs(t, put("doubtful again"), ErrUnavailable)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, put("after"))
		require.Len(t, told, 2)
		require.NoError(t, f.store.Close())
	})
}
