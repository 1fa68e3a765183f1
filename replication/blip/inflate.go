package blip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// windowSize is how far back deflated data may refer.
	windowSize = 32 << 10
	// windowSlack is how much more of the past is kept for a while.
	windowSlack = 8 << 10
	// maxInflated bounds what one frame inflates to. Couchbase Lite fills frames of 16 KiB
	// with as much as goes in, deflated, which of zeros is 16 MiB.
	maxInflated = 20 << 20
)

// deflateTail stands for what the sender left out, the end of a flush, and then a last empty
// block, so that the reader ends with io.EOF just there (blip.md 2.5).
var deflateTail = [...]byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

var errInflate = fmt.Errorf("%w: a frame that cannot be inflated", ErrProtocol)

// inflater reads the deflated frames of one direction: one stream, cut into frames. Between
// frames it keeps only the window, so that an idle connection costs no more than that.
type inflater struct {
	window []byte // the end of what deflated frames had; raw frames do not enter it
}

type inflateReader struct {
	in bytes.Reader
	r  io.ReadCloser // also a flate.Resetter
}

var inflateReaders = sync.Pool{New: func() any {
	r := new(inflateReader)
	r.r = flate.NewReader(&r.in)
	return r
}}

// inflate hands to take what payload inflates to: all at once, or in pieces of readLimit if
// it is more, so that a zip bomb ends at the limit of its message and is never in memory. It
// writes behind payload, where the frame had its checksum.
func (i *inflater) inflate(payload []byte, out *buffer, take func([]byte) error) error {
	if len(payload) == 0 {
		return nil
	}
	r := inflateReaders.Get().(*inflateReader)
	defer func() {
		r.in.Reset(nil)
		inflateReaders.Put(r)
	}()
	r.in.Reset(append(payload, deflateTail[:]...))
	if err := r.r.(flate.Resetter).Reset(&r.in, i.dictionary()); err != nil {
		return errInflate
	}
	for all, end := 0, false; !end; {
		piece, err := readPiece(out.b[:0], r.r)
		end = errors.Is(err, io.EOF)
		if err != nil && !end {
			return errInflate
		}
		if all += len(piece); all > maxInflated {
			return fmt.Errorf("%w: a frame inflates to more than %d bytes", ErrLimit, maxInflated)
		}
		i.keep(piece)
		if err := take(piece); err != nil {
			return err
		}
	}
	if r.in.Len() != 0 { // a last block of the peer's own, which would end the stream
		return fmt.Errorf("%w: deflated data end within a frame", ErrProtocol)
	}
	return nil
}

// readPiece reads until b is as long as a piece, or an error, which io.EOF is as well.
func readPiece(b []byte, r io.Reader) ([]byte, error) {
	for len(b) < readLimit {
		n, err := r.Read(b[len(b):readLimit])
		b = b[:len(b)+n]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// keep moves the window over what was inflated. It has some room to spare, so that not every
// small frame moves all of it.
func (i *inflater) keep(out []byte) {
	if len(out) >= windowSize {
		i.window = append(i.window[:0], out[len(out)-windowSize:]...)
		return
	}
	if len(i.window)+len(out) > windowSize+windowSlack {
		i.window = i.window[:copy(i.window, i.window[len(i.window)+len(out)-windowSize:])]
	}
	i.window = append(i.window, out...)
	if cap(i.window) > windowSize+windowSlack { // append grows by more than is needed
		i.window = append(make([]byte, 0, windowSize+windowSlack), i.window...)
	}
}

// dictionary is what deflated data may refer to.
func (i *inflater) dictionary() []byte { return i.window[max(0, len(i.window)-windowSize):] }
