package blip

import (
	"net"
	"sync"
	"time"
)

const (
	// corkSize is how many bytes are gathered before they are written.
	corkSize = 16 << 10
	// smallWrite is up to how many bytes a write is worth gathering. Large frames go out by
	// themselves, so that what is urgent is not behind several of them.
	smallWrite = 4 << 10
)

// cork is a network connection whose writes are gathered while there is more to send: a
// revision is a small frame, and to write each by itself costs more than to make it. Only the
// goroutine that writes gathers, and it lets go before it ends; what the WebSocket writes by
// itself, a close frame, keeps its place.
type cork struct {
	net.Conn

	mu        sync.Mutex
	gathering bool
	gathered  []byte
}

// Write implements net.Conn. An error of what was gathered is that of a later write.
func (k *cork) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gathering {
		if len(p) > smallWrite || len(k.gathered)+len(p) > corkSize {
			if err := k.write(); err != nil {
				return 0, err
			}
		}
		if len(p) <= smallWrite {
			k.gathered = append(k.gathered, p...)
			return len(p), nil
		}
	}
	return k.Conn.Write(p)
}

// gather begins to gather into b. What the goroutine before gathered, and has not let go yet,
// goes first: an error of that is one of a later write, too.
func (k *cork) gather(b []byte) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.write()
	k.gathering, k.gathered = true, b[:0]
}

// flush writes what was gathered.
func (k *cork) flush() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.write()
}

// let writes what was gathered, and gathers no more.
func (k *cork) let() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gathering = false
	err := k.write()
	k.gathered = nil
	return err
}

// settleTimeout is how long the last write of a connection may take.
const settleTimeout = 200 * time.Millisecond

// Close implements net.Conn. What was gathered is written first, because the WebSocket's answer to
// a close frame may be the last of it. It does not wait for the goroutine that writes, nor long
// for a peer that does not read.
func (k *cork) Close() error {
	if k.mu.TryLock() {
		if len(k.gathered) > 0 {
			_ = k.SetWriteDeadline(time.Now().Add(settleTimeout)) // one that cannot does not wait
			_ = k.write()                                         // a last try
		}
		k.mu.Unlock()
	}
	return k.Conn.Close()
}

// write writes what was gathered. k.mu is held.
func (k *cork) write() error {
	if len(k.gathered) == 0 {
		return nil
	}
	_, err := k.Conn.Write(k.gathered)
	k.gathered = k.gathered[:0]
	return err
}
