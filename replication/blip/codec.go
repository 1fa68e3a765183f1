package blip

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

var errChecksum = fmt.Errorf("%w: a wrong checksum", ErrProtocol)

// decoder undoes what the peer's encoder did: the frames of one direction in their order,
// with one checksum over all of them and one deflate stream (blip.md 2.4, 2.5). Only the
// goroutine that reads uses it.
type decoder struct {
	crc uint32
	inflater
}

// decode hands to take what a frame carries, perhaps in pieces. An error afterwards means
// that it was not what the peer meant.
func (d *decoder) decode(f *frame, take func([]byte) error) error {
	size := len(f.payload) - checksumSize
	if size < 0 {
		return fmt.Errorf("%w: a frame without a checksum", ErrProtocol)
	}
	content := f.payload[:size]
	sum := binary.BigEndian.Uint32(f.payload[size:])
	if f.flags&flagCompressed == 0 {
		d.crc = crc32.Update(d.crc, crc32.IEEETable, content)
		if d.crc != sum {
			return errChecksum
		}
		return take(content)
	}
	out := pieceBuffers.get()
	defer out.put()
	err := d.inflate(content, out, func(piece []byte) error {
		d.crc = crc32.Update(d.crc, crc32.IEEETable, piece)
		return take(piece)
	})
	if err == nil && d.crc != sum {
		err = errChecksum
	}
	return err
}

// encoder makes the frames of one direction. Only the goroutine that writes uses it: frames
// must be written in the order in which they were made.
type encoder struct {
	crc      uint32
	deflater *deflater
}

// encode appends a frame to b, and returns how many bytes of it count for flow control
// (blip.md 2.6: payload and checksum, as on the wire).
func (e *encoder) encode(b []byte, number uint64, flags byte, content []byte) (frame []byte, counted int, err error) {
	if len(content) == 0 {
		flags &^= flagCompressed // the flag is of the frame, and nothing need not be deflated
	}
	b = binary.AppendUvarint(b, number)
	b = append(b, flags)
	header := len(b)
	if flags&flagCompressed != 0 {
		if e.deflater == nil {
			e.deflater = getDeflater()
		}
		if b, err = e.deflater.deflate(b, content); err != nil {
			return b, 0, err
		}
		if deflatersTaken.Load() > maxDeflaters {
			e.release()
		}
	} else {
		b = append(b, content...)
	}
	e.crc = crc32.Update(e.crc, crc32.IEEETable, content)
	b = binary.BigEndian.AppendUint32(b, e.crc)
	return b, len(b) - header, nil
}

// release gives the deflater back. The next deflated frame begins with a new one.
func (e *encoder) release() {
	if e.deflater != nil {
		e.deflater.put()
		e.deflater = nil
	}
}
