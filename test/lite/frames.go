package lite

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Flags of BLIP frames (blip.md 2.2).
const (
	flagCompressed = 0x08
	flagUrgent     = 0x10
	flagNoReply    = 0x20
	flagMore       = 0x40
)

const maxFrame = 16<<10 + 64 // what LiteCore and Sync Gateway send at most, with the header

// blipReader decodes the frames of one direction. It is a decoder of its own: the one under
// test does not judge itself.
type blipReader struct {
	crc     uint32
	next    uint64 // number of the next request
	partial map[partialKey]*Message
	raw     map[partialKey][]byte
	window  []byte // the last 32 KiB that came out of compressed frames
}

type partialKey struct {
	answer bool
	number uint64
}

func (r *blipReader) init() {
	r.next = 1
	r.partial = make(map[partialKey]*Message)
	r.raw = make(map[partialKey][]byte)
}

// frame takes one frame, and returns a message if it is complete now.
func (r *blipReader) frame(frame []byte) (*Message, error) {
	size := len(frame)
	number, n := binary.Uvarint(frame)
	if n <= 0 {
		return nil, errors.New("a frame without a number")
	}
	frame = frame[n:]
	flags, n := binary.Uvarint(frame)
	if n <= 0 {
		return nil, errors.New("a frame without flags")
	}
	frame = frame[n:]
	switch flags & 7 {
	case 0, 1, 2:
	case 4, 5:
		return r.ack(number, flags, frame)
	default:
		return nil, nil
	}
	if size > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	payload, err := r.payload(flags, frame)
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", number, err)
	}
	return r.collect(number, flags, payload)
}

func (r *blipReader) ack(number, flags uint64, payload []byte) (*Message, error) {
	received, n := binary.Uvarint(payload)
	if n != len(payload) {
		return nil, errors.New("an acknowledgement that is not one number")
	}
	m := &Message{Kind: AckReq, Number: number, Length: int(received)}
	if flags&7 == 5 {
		m.Kind = AckRes
	}
	return m, nil
}

func (r *blipReader) payload(flags uint64, frame []byte) ([]byte, error) {
	if len(frame) < 4 {
		return nil, errors.New("a frame without a checksum")
	}
	payload, sum := frame[:len(frame)-4], binary.BigEndian.Uint32(frame[len(frame)-4:])
	if flags&flagCompressed != 0 {
		var err error
		if payload, err = r.inflate(payload); err != nil {
			return nil, err
		}
	}
	r.crc = crc32.Update(r.crc, crc32.IEEETable, payload)
	if r.crc != sum {
		return nil, fmt.Errorf("checksum %08x, not %08x", sum, r.crc)
	}
	return payload, nil
}

func (r *blipReader) inflate(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	ended := append(bytes.Clone(payload), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)
	out, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(ended), r.window))
	if err != nil {
		return nil, fmt.Errorf("bad deflate: %w", err)
	}
	r.window = append(r.window, out...)
	if len(r.window) > 32<<10 {
		r.window = bytes.Clone(r.window[len(r.window)-32<<10:])
	}
	return out, nil
}

func (r *blipReader) collect(number, flags uint64, payload []byte) (*Message, error) {
	key := partialKey{flags&7 != 0, number}
	m := r.partial[key]
	if m == nil {
		m = &Message{Kind: Req, Number: number, Urgent: flags&flagUrgent != 0, NoReply: flags&flagNoReply != 0}
		switch flags & 7 {
		case 0:
			if number != r.next {
				return nil, fmt.Errorf("request %d where %d is next", number, r.next)
			}
			r.next++
		case 1:
			m.Kind = Res
		case 2:
			m.Kind = Err
		}
		r.partial[key] = m
	}
	m.Frames++
	m.Compressed = m.Compressed || flags&flagCompressed != 0
	r.raw[key] = append(r.raw[key], payload...)
	if flags&flagMore != 0 {
		return nil, nil
	}
	raw := r.raw[key]
	delete(r.partial, key)
	delete(r.raw, key)
	return m, m.parse(raw)
}

// parse takes a message apart (blip.md 2.3).
func (m *Message) parse(raw []byte) error {
	size, n := binary.Uvarint(raw)
	if n <= 0 || size > uint64(len(raw)-n) || size > 100<<10 {
		return fmt.Errorf("message %d: bad length of properties", m.Number)
	}
	properties := raw[n : uint64(n)+size]
	m.Body = raw[uint64(n)+size:]
	m.Length = len(m.Body)
	if len(properties) == 0 {
		return nil
	}
	if properties[len(properties)-1] != 0 {
		return fmt.Errorf("message %d: the properties do not end with NUL", m.Number)
	}
	parts := bytes.Split(properties[:len(properties)-1], []byte{0})
	if len(parts)%2 != 0 {
		return fmt.Errorf("message %d: an odd number of properties", m.Number)
	}
	for i := 0; i < len(parts); i += 2 {
		name := string(parts[i])
		if _, double := m.find(name); double {
			return fmt.Errorf("message %d: the property %s is there twice", m.Number, name)
		}
		m.Properties = append(m.Properties, Property{name, string(parts[i+1])})
	}
	return nil
}
