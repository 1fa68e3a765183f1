package caddysync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// pushes pushes new documents until ctx ends, by a new connection whenever one was dropped, and
// returns the IDs that were acknowledged.
func (s *testSite) pushes(ctx context.Context, version int) (acked []string, err error) {
	for connection := 0; ctx.Err() == nil; connection++ {
		l, err := harness.DialLite(ctx, "http://"+s.addr+"/notes", harness.LiteOptions{Version: version})
		if errors.Is(err, harness.ErrNotTaken) || ctx.Err() != nil {
			continue // a reload cost it its connection
		}
		if err != nil {
			return acked, err
		}
		_, _, err = l.Open(ctx, fmt.Sprint("cp", version))
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			id := fmt.Sprintf("v%d-%d-%d", version, connection, n)
			if _, err = l.Push(ctx, id, `{"n":1}`); err == nil {
				acked = append(acked, id)
			}
		}
		l.Drop()
		if err != nil && !errors.Is(err, blip.ErrClosed) && ctx.Err() == nil {
			return acked, err
		}
	}
	return acked, nil
}

// Row 98 of reference/blip.md 8.1: configurations replace each other while clients push; what
// was acknowledged is there. With -race it shows more.
func TestConfigurationIsReplacedDuringPushes(t *testing.T) {
	s := newTestSite(t)
	config := func(n int) []byte {
		return s.config("store memory litepushes", fmt.Sprintf("stream_close_delay %dms", 50+n), "")
	}
	require.NoError(t, s.load(config(0)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var pushing sync.WaitGroup
	defer pushing.Wait()
	defer cancel()
	acked := make([][]string, 3)
	errs := make([]error, 3)
	for i := range acked {
		pushing.Go(func() { acked[i], errs[i] = s.pushes(ctx, 2+i) })
	}
	for n := range 5 {
		time.Sleep(100 * time.Millisecond) // of pushing
		require.NoError(t, s.load(config(n+1)))
	}
	cancel()
	pushing.Wait()
	for i, ids := range acked {
		require.NoError(t, errs[i])
		require.Greater(t, len(ids), 5)
		require.NotContains(t, ids[len(ids)-1], fmt.Sprintf("v%d-0-", 2+i), "no configuration was replaced")
		s.has(ids[0])
		for _, id := range ids[max(0, len(ids)-50):] {
			s.has(id)
		}
	}
}
