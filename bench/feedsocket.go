package main

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"time"
)

const (
	// feedSocket is the kind of a feed on a WebSocket, as Couchbase Lite 1 follows it.
	feedSocket = "websocket"

	opText, opBinary = 1, 2
	// longFrame says that a length of two bytes follows; more than that no frame of ours has.
	longFrame = 126
)

// openSocket opens a feed on a WebSocket and reads until it has caught up.
func (f *feed) openSocket() error {
	request := f.person.cookie(head(nil, http.MethodGet, "/notes/_changes?feed=websocket"))
	request = append(request, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"...)
	// The options, in a frame whose mask is zero.
	options := fmt.Sprintf(`{"feed":"websocket","heartbeat":60000,"since":%q,"accept_encoding":"gzip"}`, f.since)
	request = append(request, 0x80|opText, 0x80|byte(len(options)), 0, 0, 0, 0)
	if err := f.conn.send(append(request, options...)); err != nil {
		return err
	}
	if err := f.conn.net.SetDeadline(time.Now().Add(feedPatient)); err != nil {
		return fmt.Errorf("opening a feed: %w", err)
	}
	if _, _, err := f.conn.readHeader(); err != nil {
		return err
	}
	if f.conn.status != http.StatusSwitchingProtocols {
		return fmt.Errorf("%w: %d to a WebSocket", errAnswer, f.conn.status)
	}
	for {
		opcode, length, err := f.readFrame()
		if err != nil || opcode == opText && length == len("[]") {
			return err
		}
	}
}

// readFrame reads a frame of the server's and returns what it is.
func (f *feed) readFrame() (opcode byte, length int, err error) {
	read := func(n int) []byte {
		if err != nil {
			return nil
		}
		var b []byte
		if b, err = f.conn.reader.Peek(n); err == nil {
			_, err = f.conn.reader.Discard(n)
		}
		return b
	}
	if b := read(2); err == nil {
		opcode, length = b[0]&0xf, int(b[1])
	}
	if length == longFrame {
		if b := read(2); err == nil {
			length = int(binary.BigEndian.Uint16(b))
		}
	}
	if err == nil {
		_, err = f.conn.reader.Discard(length)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("reading a feed: %w", err)
	}
	return opcode, length, nil
}
