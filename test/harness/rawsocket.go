package harness

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// What the second varint of a BLIP frame says (reference/blip.md 2.2).
const (
	FrameRequest  = 0x00
	FrameAnswer   = 0x01
	FrameAck      = 0x04
	FrameDeflated = 0x08
	FrameNoReply  = 0x20
	FrameMore     = 0x40
)

// Opcodes of WebSocket messages (RFC 6455 section 5.2).
const (
	OpText   = 0x1
	OpBinary = 0x2
	OpPing   = 0x9
)

// RawSocket is a WebSocket on which a test sends what no client sends. Only one goroutine may
// use it.
type RawSocket struct {
	wire  *wire
	out   *bufio.Writer
	ended chan struct{} // closed when there is nothing to read any more

	crc      uint32
	deflated bytes.Buffer
	deflater *flate.Writer
}

// DialRaw connects to a database, http://…/notes, as a guest that speaks version 3. With reads
// it throws away what comes, and confirms a close frame; else it reads nothing, not even that,
// and the kernel holds as little for it as it can.
func DialRaw(ctx context.Context, database string, reads bool) (*RawSocket, error) {
	host, path, _ := strings.Cut(strings.TrimPrefix(database, "http://"), "/")

	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}

	s := &RawSocket{wire: newWire(conn), out: bufio.NewWriterSize(conn, 64<<10), ended: make(chan struct{})}
	if err := s.handshake(host, path, reads); err != nil {
		_ = conn.Close()

		return nil, err
	}

	if reads {
		go s.read()
	}

	return s, nil
}

func (s *RawSocket) handshake(host, path string, reads bool) error {
	if tcp, ok := s.wire.Conn.(*net.TCPConn); ok && !reads {
		_ = tcp.SetReadBuffer(4 << 10) // it only helps
	}

	_, err := fmt.Fprintf(s.wire.Conn, "GET /%s/_blipsync HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s3\r\n\r\n",
		path, host, liteProtocol)
	if err != nil {
		return fmt.Errorf("sending the handshake: %w", err)
	}

	res, err := http.ReadResponse(bufio.NewReader(oneByOne{s.wire}), nil)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}

	_ = res.Body.Close()

	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the handshake got %s: %w", res.Status, ErrRefused)
	}

	return nil
}

// oneByOne keeps a buffered reader from reading more than it needs.
type oneByOne struct{ from io.Reader }

func (r oneByOne) Read(b []byte) (int, error) { return r.from.Read(b[:min(1, len(b))]) }

// read reads to the end.
func (s *RawSocket) read() {
	defer close(s.ended)

	for b := make([]byte, 64<<10); ; {
		if _, err := s.wire.Read(b); err != nil {
			return
		}

		if _, closed, _ := s.wire.state(); closed {
			_ = s.wire.Close() // as good as a close frame: the server waits for either

			return
		}
	}
}

// Ended is closed when the server has ended a connection that reads.
func (s *RawSocket) Ended() <-chan struct{} { return s.ended }

// Frames is how many frames of the WebSocket came, on a connection that reads.
func (s *RawSocket) Frames() int {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()

	return s.wire.frames.count
}

// Close ends the connection at once.
func (s *RawSocket) Close() { _ = s.wire.Close() }

// Message writes a message of the WebSocket; Flush sends it. An error is that the connection
// has ended, or that the server takes nothing for limit.
func (s *RawSocket) Message(opcode byte, b []byte, limit time.Duration) error {
	const final, masked = 0x80, 0x80

	header := []byte{final | opcode}

	switch {
	case len(b) < 126:
		header = append(header, masked|byte(len(b)))
	case len(b) < 1<<16:
		header = binary.BigEndian.AppendUint16(append(header, masked|126), uint16(len(b)))
	default:
		header = binary.BigEndian.AppendUint64(append(header, masked|127), uint64(len(b)))
	}

	if err := s.wire.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return fmt.Errorf("sending: %w", err)
	}

	_, err := s.out.Write(append(header, 0, 0, 0, 0)) // by this mask the payload stays as it is
	if err == nil {
		_, err = s.out.Write(b)
	}

	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}

	return nil
}

// Frame writes a frame of BLIP with a good checksum.
func (s *RawSocket) Frame(number uint64, flags byte, content []byte, limit time.Duration) error {
	b := append(binary.AppendUvarint(nil, number), flags)

	if flags&FrameDeflated != 0 {
		b = append(b, s.deflate(content)...)
	} else {
		b = append(b, content...)
	}

	s.crc = crc32.Update(s.crc, crc32.IEEETable, content)

	return s.Message(OpBinary, binary.BigEndian.AppendUint32(b, s.crc), limit)
}

// BreakChecksum makes the checksums of all frames to come wrong.
func (s *RawSocket) BreakChecksum() { s.crc++ }

func (s *RawSocket) deflate(content []byte) []byte {
	if s.deflater == nil {
		s.deflater, _ = flate.NewWriter(&s.deflated, flate.BestSpeed) // the level is good
	}

	s.deflated.Reset()
	_, _ = s.deflater.Write(content) // to memory, as what follows
	_ = s.deflater.Flush()

	return bytes.TrimSuffix(s.deflated.Bytes(), []byte("\x00\x00\xff\xff"))
}

// Flush sends what was written.
func (s *RawSocket) Flush() error {
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("sending: %w", err)
	}

	return nil
}

// RawMessage is the content of a whole message, properties being names and values in turn.
func RawMessage(body string, properties ...string) []byte {
	all := strings.Join(properties, "\x00") + "\x00"
	if len(properties) == 0 {
		all = ""
	}

	return append(binary.AppendUvarint(nil, uint64(len(all))), all+body...)
}
