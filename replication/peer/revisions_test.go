package peer_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// metered notes how many bytes are read by keys in one view at most.
type metered struct {
	engine.Engine
	most atomic.Int64
}

type meteredReader struct {
	engine.Reader
	meter *metered
	read  int64
}

func (m *metered) View(ctx context.Context, fn func(engine.Reader) error) error {
	return m.Engine.View(ctx, func(r engine.Reader) error { return fn(&meteredReader{Reader: r, meter: m}) })
}

func (r *meteredReader) Get(key []byte) ([]byte, error) {
	value, err := r.Reader.Get(key)
	r.read += int64(len(value))
	r.meter.most.Store(max(r.meter.most.Load(), r.read)) // may miss one beside another
	return value, err
}

// Whoever may write a document may give it as many leaves as they like, each as large as a document may be.
func TestReplicationDoesNotHoldAllRevisionsOfADocumentAtOnce(t *testing.T) {
	t.Parallel()
	const leaves, size = 20, 1 << 20
	meter := &metered{Engine: memory.New()}
	here, there := newServerOn(t, meter), newServer(t)
	for i := range leaves {
		here.bulk(fmt.Sprintf(`{"_id":"doc","_rev":"1-%02d","text":"%s"}`, i, strings.Repeat("x", size)))
	}
	meter.most.Store(0)
	_, status := run(t, here.to(peer.Push, there.admin))
	require.Zero(t, status.Failures)
	require.EqualValues(t, leaves, status.Written)
	require.Less(t, meter.most.Load(), int64(leaves*size/3))
	require.Equal(t, here.content(), there.content())

	// Pulled, each is looked at for an attachment that is here.
	there.put("/doc/file?rev=1-00", "content")
	rev := here.put("/doc/file?rev=1-00", "content")
	there.put("/doc?rev="+rev, `{"_attachments":{"file":{"stub":true}}}`)
	meter.most.Store(0)
	_, status = run(t, here.to(peer.Pull, there.admin))
	require.Zero(t, status.Failures)
	require.Zero(t, there.times(http.MethodGet+" /doc/file"))
	require.Less(t, meter.most.Load(), int64(leaves*size/3))
	require.Equal(t, there.content(), here.content())
}
