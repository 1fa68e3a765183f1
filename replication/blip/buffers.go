package blip

import "sync"

// readLimit bounds one WebSocket message, which is one frame (blip.md 1.5).
const readLimit = 64 << 10

// buffer is scratch memory, taken for the time that a frame is read or written, so that an
// idle connection has none.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, readLimit+len(deflateTail))} }}

func getBuffer() *buffer { return buffers.Get().(*buffer) }

// put gives the buffer back. One that grew is left to the collector.
func (b *buffer) put() {
	if cap(b.b) <= 2*readLimit {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}
