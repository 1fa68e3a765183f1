package lite

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// heard is what an Activity was told, each thing with how often.
type heard struct {
	mu   sync.Mutex
	told map[string]int
}

func (h *heard) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told == nil {
		h.told = map[string]int{}
	}
	h.told[fmt.Sprintf(format, args...)]++
}

func (h *heard) Sent()                             { h.note("sent") }
func (h *heard) Received(scope, collection string) { h.note("received %s.%s", scope, collection) }
func (h *heard) Follows(scope, collection string)  { h.note("follows %s.%s", scope, collection) }
func (h *heard) CaughtUp()                         { h.note("caught up") }

func TestWhatAReplicationDoesIsTold(t *testing.T) {
	t.Parallel()
	h := new(heard)
	l := newLoopback(t, func(p *Peer) { p.Activity = h })
	l.write(docs(3, "d%d")...)
	c := l.connect(protocol3)
	c.push("mine", treeRev(1, "a"), `{}`)
	c.pull(nil, "")
	c.quiet()
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Equal(t, map[string]int{"sent": 4, "received _default._default": 1, "follows _default._default": 1, "caught up": 1}, h.told)
}
