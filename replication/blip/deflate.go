package blip

import (
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

const (
	// deflateLevel is the fastest: a frame is a small document, and at level 6 that takes twice
	// the time for a tenth less (0.29 and 0.26 of JSON documents of 300 bytes).
	deflateLevel = flate.BestSpeed
	// maxDeflaters is how many writers may be kept from one frame to the next, in all
	// connections together. One has more than 1 MiB, so that beyond it connections give
	// theirs back after each frame: ten thousand slow peers cost ratio, not memory.
	maxDeflaters = 64
)

// deflater deflates frames. Each new one begins without a window, which the peer does not
// mind: its own window holds what came before, nothing has to refer to it, and each frame
// ends at a byte (it is flushed). So a connection gives its deflater back when it is idle
// (DECISIONS 38) and goes on with another.
type deflater struct {
	w   *flate.Writer
	out []byte
}

var (
	deflaters = sync.Pool{New: func() any {
		d := new(deflater)
		d.w, _ = flate.NewWriter(d, deflateLevel) // an error only of a level that does not exist
		return d
	}}
	deflatersTaken atomic.Int64
)

func getDeflater() *deflater {
	deflatersTaken.Add(1)
	d := deflaters.Get().(*deflater)
	d.w.Reset(d)
	return d
}

func (d *deflater) put() {
	deflatersTaken.Add(-1)
	d.out = nil
	deflaters.Put(d)
}

// Write implements io.Writer, for what the flate.Writer puts out.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// deflate appends content to out as one deflated frame: flushed, without the end of the
// flush, which the receiver adds (blip.md 2.5).
func (d *deflater) deflate(out, content []byte) ([]byte, error) {
	d.out = out
	if _, err := d.w.Write(content); err != nil {
		return out, err
	}
	if err := d.w.Flush(); err != nil {
		return out, err
	}
	out = d.out[:len(d.out)-4]
	d.out = nil
	return out, nil
}
