package lite

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// What is committed when a feed begins is in it, asked for or not.
func TestAFeedHasWhatWasWrittenBeforeIt_row26(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	var writing sync.WaitGroup
	defer writing.Wait()
	stop := make(chan struct{})
	defer close(stop)
	for i := range 4 {
		writing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					l.coll().Write(l.ctx, []syncstore.Edit{{ID: fmt.Sprint("busy", i, "-", n)}}, syncstore.WriteOptions{})
				}
			}
		})
	}
	c := l.connect(protocol3)
	for i := range 20 {
		props := []string{"since", fmt.Sprint(l.coll().Info().Seq)}
		if i%2 == 0 {
			props = append(props, "requestPlus", "true")
		}
		id := fmt.Sprint("mine", i)
		l.edit(id, `{}`, "")
		require.Contains(t, c.pull(nil, "", props...).ids(), id)
	}
}

func TestADeletionCountsOnce_row44(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.push("a", treeRev(1, "a"), `{}`)
	for range 2 { // it is sent again: its answer was lost
		c.push("a", treeRev(2, "b"), "", "history", treeRev(1, "a"), "deleted", "1")
	}
	require.EqualValues(t, 2, l.coll().Info().Seq)
	require.Equal(t, []string{"a 1"}, flagged(c.pull(nil, "", "since", "1").rows()))
	require.EqualValues(t, 1, l.counters.DocumentsPulled.Load())
}

// Section 8.2. A client's record of a document takes 255 bytes; what is longer than 240 is
// nobody's who pulls (DECISIONS 27), but other databases have such documents.
func TestDocumentIDsOf255And256Bytes(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	for _, n := range []int{240, 241, 255, 256, 2048} {
		c.push(strings.Repeat("i", n), treeRev(1, "a"), `{}`)
	}
	c.refused(400, "rev", `{}`, "id", strings.Repeat("i", 2049), "rev", treeRev(1, "a"))
	c.push("after", treeRev(1, "a"), `{}`)
	require.Equal(t, []string{strings.Repeat("i", 240), "after"}, c.pull(nil, "").ids())
	require.EqualValues(t, 4, l.counters.Unfit.Load())
}

// Section 8.2: a database file that was copied to a second device has the same checkpoint. One
// of the two is told of the conflict, reads anew and goes on.
func TestCheckpointOfTwoDevicesAtOnce(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	devices := []*client{l.connect(protocol2), l.connect(protocol3), l.connect(protocol4)}
	var running sync.WaitGroup
	var written, conflicts atomic.Int64
	const each = 20
	for i, c := range devices {
		running.Go(func() {
			rev := ""
			for n := 0; n < each; {
				set, err := c.call("setCheckpoint", fmt.Sprintf(`{"local":%d,"device":%d}`, n, i), "client", "cp-copied", "rev", rev)
				if err == nil {
					rev, n = set.Properties.Value("rev"), n+1
					written.Add(1)
					continue
				}
				if refusal, ok := err.(*blip.PeerError); !ok || refusal.Code != 409 { //nolint:errorlint // as it is
					t.Error(err)
					return
				}
				conflicts.Add(1)
				got, err := c.call("getCheckpoint", "", "client", "cp-copied")
				if err != nil {
					t.Error(err)
					return
				}
				rev = got.Properties.Value("rev")
			}
		})
	}
	running.Wait()
	require.EqualValues(t, each*len(devices), written.Load())
	require.GreaterOrEqual(t, conflicts.Load(), int64(2), "the first is written by one")
	last := devices[0].must("getCheckpoint", "", "client", "cp-copied").Properties.Value("rev")
	require.Equal(t, fmt.Sprint("0-", written.Load()), last, "each is one after the other")
}

// Section 8.2: while the store takes no writes, a client that has much to push is not asked for
// it again and again. All is refused by 503, and one end of the connection makes it come back.
func TestManyRevsThatCannotBeStoredNowEndTheConnectionOnce(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	var broken atomic.Bool
	broken.Store(true)
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(context.Context, syncstore.Evaluation) (syncstore.Outcome, error) {
		if broken.Load() {
			return syncstore.Outcome{}, syncstore.ErrUnavailable
		}
		return syncstore.Outcome{}, nil
	})})
	c := l.connect(protocol3)
	began := time.Now()
	errs := make(chan error, 100)
	for i := range cap(errs) {
		m := message("rev", `{}`, "id", fmt.Sprint(i), "rev", treeRev(1, "a"))
		require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) { errs <- err }))
	}
	refused := 0
	for range cap(errs) {
		err := <-errs
		if refusal, ok := err.(*blip.PeerError); ok { //nolint:errorlint // as it is
			require.Equal(t, 503, refusal.Code)
			refused++
			continue
		}
		require.ErrorIs(t, err, blip.ErrClosed, "what was not refused in time is pushed again too")
	}
	require.Positive(t, refused)
	select {
	case err := <-c.ended:
		require.Error(t, err)
		require.GreaterOrEqual(t, time.Since(began), dropAfter-100*time.Millisecond, "the refusals were to reach the client")
	case <-time.After(waitFor):
		require.Fail(t, "the connection goes on")
	}
	broken.Store(false)
	l.connect(protocol3).push("0", treeRev(1, "a"), `{}`)
}
