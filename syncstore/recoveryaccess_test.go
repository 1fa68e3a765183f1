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

// While a store is being recovered it reads on. What the commit in doubt took from somebody, if it turns out to be there, they
// do not have from then on: a document that another one's read brings into the cache meanwhile is not judged by access of before.
func TestDecision33_WhoLostAccessByACommitInDoubtReadsNothingNewDuringTheRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
		first := f.put("list", `{"channels":["list"],"grants":[["alice","list"]]}`, Rev{})
		require.NoError(t, f.read1("alice", "list"))
		var during []error
		defer f.store.Records().OnRecovery(func(context.Context) error {
			_ = f.get("list", GetOptions{})
			during = append(during, f.read1("alice", "list"))
			if len(during) == 1 {
				return errors.New("not now")
			}
			return nil
		})()
		f.engine.FailNext(engine.ErrDoubtful)
		r := f.write(Edit{ID: "list", Parent: first, Body: []byte(`{"channels":["list"],"secret":true}`)})
		require.ErrorIs(t, r.Err, ErrUnavailable)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, during, 2)
		for _, err := range during {
			require.ErrorIs(t, err, ErrNotFound)
		}
		require.ErrorIs(t, f.read1("alice", "list"), ErrNotFound)
		require.NoError(t, f.store.Close())
	})
}
