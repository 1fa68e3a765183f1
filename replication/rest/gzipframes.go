package rest

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
)

// smallMessage is up to how many bytes a message is stored and not deflated: of one row
// there is little to win.
const smallMessage = 256

// gzipHeader begins a gzip stream without a name and a time (RFC 1952 section 2.3).
var gzipHeader = [...]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// gzipFrames packs messages into one gzip stream without an end, of which each message is
// the next piece, complete at a byte: so Couchbase Lite 1 wants it. No window is kept from
// one message to the next. The client does not mind: its own holds what came before, and
// nothing has to refer to it.
type gzipFrames struct{ begun bool }

// frameDeflaters are shared, since one has more than 1 MiB; it is needed only while it works.
var frameDeflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // an error only of a level that does not exist
	return w
}}

func (g *gzipFrames) pack(message []byte) ([]byte, error) {
	var out bytes.Buffer
	if !g.begun {
		out.Write(gzipHeader[:])
		g.begun = true
	}
	if n := len(message); n <= smallMessage {
		// A stored block that is not the last (RFC 1951 section 3.2.4), and an empty one, at
		// which a flush is known.
		out.Grow(n + 10)
		out.Write([]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)})
		out.Write(message)
		out.Write([]byte{0, 0, 0, 0xff, 0xff})
		return out.Bytes(), nil
	}
	out.Grow(len(message)/4 + 64)
	w := frameDeflaters.Get().(*flate.Writer)
	defer frameDeflaters.Put(w)
	w.Reset(&out)
	if _, err := w.Write(message); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
