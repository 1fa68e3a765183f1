package blip

import (
	"encoding/binary"
	"fmt"
)

// What the second varint of a frame says (blip.md 2.2). Bits that are not named here are ignored.
const (
	typeRequest    = 0
	typeAnswer     = 1
	typeError      = 2
	typeAckRequest = 4
	typeAckAnswer  = 5
	typeMask       = 0x07

	flagCompressed = 0x08
	flagUrgent     = 0x10
	flagNoReply    = 0x20
	flagMore       = 0x40
)

const (
	checksumSize = 4
	// headerSize is the most that number and flags take, as we write them.
	headerSize = binary.MaxVarintLen64 + 1
)

// frame is one frame, its payload still with the checksum and perhaps deflated.
type frame struct {
	number, flags uint64
	payload       []byte
}

func (f *frame) kind() byte { return byte(f.flags & typeMask) }

// parseFrame takes a frame apart. The payload is a part of b.
func parseFrame(b []byte) (frame, error) {
	number, n := binary.Uvarint(b)
	if n <= 0 {
		return frame{}, fmt.Errorf("%w: a frame without a number", ErrProtocol)
	}
	b = b[n:]
	flags, n := binary.Uvarint(b)
	if n <= 0 {
		return frame{}, fmt.Errorf("%w: a frame without flags", ErrProtocol)
	}
	return frame{number: number, flags: flags, payload: b[n:]}, nil
}

// ack says how much of a message has arrived. It bypasses codec and checksum, and may be
// sent at any time (blip.md 2.5, 2.6).
type ack struct {
	kind          byte
	number, total uint64
}

func (a ack) append(b []byte) []byte {
	b = binary.AppendUvarint(b, a.number)
	b = append(b, a.kind|flagUrgent|flagNoReply)
	return binary.AppendUvarint(b, a.total)
}

// parseAck reads the payload of an acknowledgement.
func parseAck(f *frame) (total uint64, err error) {
	total, n := binary.Uvarint(f.payload)
	if n <= 0 {
		return 0, fmt.Errorf("%w: an acknowledgement without a number of bytes", ErrProtocol)
	}
	return total, nil
}
