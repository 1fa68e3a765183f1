package harness

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports lie below the range from which the kernel picks the local ends of connections
// (32768 up): a server that was killed must find its port free again.
const (
	firstPort = 18000
	lastPort  = 32000
)

// portBook remembers what this process has given out.
type portBook struct {
	mu    sync.Mutex
	taken map[int]bool
}

var ports = &portBook{taken: map[int]bool{}} // ports belong to the process

// FreePort returns a loopback port on which nobody listens; no two calls in one process
// return the same.
func FreePort() (int, error) { return ports.next() }

func (b *portBook) next() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	for range 500 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if b.taken[port] {
			continue
		}

		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}

		_ = listener.Close()
		b.taken[port] = true

		return port, nil
	}

	return 0, errors.New("finding a free port: 500 were tried")
}
