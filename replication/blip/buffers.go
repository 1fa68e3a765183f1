package blip

import "sync"

// readLimit bounds one WebSocket message, which is one frame (blip.md 1.5).
const readLimit = 64 << 10

// frameBuffers have room for a frame as clients and we send them, or for small ones together: a peer
// that is slow holds one for as long as it sends, and three for as long as it reads. pieceBuffers have
// room for what such a frame may inflate to, or a piece of that.
var frameBuffers, pieceBuffers = newBufferPool(frameSize + len(deflateTail)), newBufferPool(readLimit)

// buffer is scratch memory, taken for the time that a frame is read or written, so that an
// idle connection has none.
type buffer struct {
	b    []byte
	pool *bufferPool
}

// bufferPool has buffers of a size.
type bufferPool struct {
	size int
	free sync.Pool
}

func newBufferPool(size int) *bufferPool {
	p := &bufferPool{size: size}
	p.free.New = func() any { return &buffer{make([]byte, 0, size), p} }
	return p
}

func (p *bufferPool) get() *buffer { return p.free.Get().(*buffer) }

// put gives the buffer back. One that grew is left to the collector.
func (b *buffer) put() {
	if cap(b.b) <= 2*b.pool.size {
		b.b = b.b[:0]
		b.pool.free.Put(b)
	}
}
