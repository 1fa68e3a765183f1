package blip

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/coder/websocket"
)

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x01\x00payload"))
	f.Add([]byte("\x81\x80\x80\x00\x35\xd0\x86\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := parseFrame(b)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Fatal(err)
			}
			return
		}
		if len(parsed.payload) > len(b)-2 {
			t.Fatal("a payload that is longer than the frame")
		}
		_, _ = parseAck(&parsed)
	})
}

func FuzzProperties(f *testing.F) {
	f.Add([]byte("Profile\x00rev\x00\x00\x00"))
	f.Add([]byte("a\x00b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseProperties(b)
		if err != nil || len(b) > maxProperties {
			return
		}
		again, err := p.encode()
		if err != nil || !bytes.HasSuffix(again, b) {
			t.Fatalf("%q becomes %q: %v", b, again, err)
		}
	})
}

// FuzzInflate compares with one reader of the standard library that reads on over two frames.
func FuzzInflate(f *testing.F) {
	d := getDeflater()
	for _, s := range []string{"", "one", "one one one one"} {
		b, err := d.deflate(nil, []byte(s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	d.put()
	// A stored block that goes on over the end of its frame, and says that it is the stream's last.
	f.Add([]byte("1\x0f\x00\xf0\xff000000"), []byte("0"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var i inflater
		got, err := inflateAll(&i, first)
		if err == nil {
			var more []byte
			more, err = inflateAll(&i, second)
			got = append(got, more...)
		}
		if len(i.window) > windowSize+windowSlack || len(got) > 2*maxInflated {
			t.Fatal("too much")
		}
		if err != nil || !endsWithItsBlocks(first) {
			return
		}
		var all []byte
		for _, b := range [][]byte{first, second} {
			if len(b) > 0 {
				all = append(append(all, b...), deflateTail[:4]...)
			}
		}
		want, err := io.ReadAll(flate.NewReader(bytes.NewReader(append(all, deflateTail[4:]...))))
		if err != nil || !bytes.Equal(want, got) {
			t.Fatalf("%q, not %q: %v", got, want, err)
		}
	})
}

// endsWithItsBlocks reports whether no block of a frame goes on after it. What such a frame inflates to is
// its sender's affair, who has made its checksum too; the standard library's reader, which takes what is next
// for the rest of the block, does not say.
func endsWithItsBlocks(frame []byte) bool {
	inflated := func(tail ...byte) []byte {
		all, _ := io.ReadAll(flate.NewReader(bytes.NewReader(slices.Concat(frame, tail))))
		return all
	}
	short, long := inflated(deflateTail[:]...), inflated(slices.Concat(deflateTail[:4], []byte{0}, deflateTail[:])...)
	return len(frame) == 0 || bytes.Equal(short, long)
}

// nowhere is a WebSocket that takes everything.
type nowhere struct{}

func (nowhere) Reader(context.Context) (websocket.MessageType, io.Reader, error) {
	return 0, nil, io.EOF
}
func (nowhere) Write(context.Context, websocket.MessageType, []byte) error { return nil }
func (nowhere) Close(websocket.StatusCode, string) error                   { return nil }
func (nowhere) CloseNow() error                                            { return nil }

// FuzzConnection feeds a connection with frames, each with its length in a byte before it: as
// they are, or, of an odd length, as number, flags and content whose checksum is made right.
// Three requests of its own can be answered.
func FuzzConnection(f *testing.F) {
	f.Add([]byte("\x03\x01\x00\x00\x05\x02\x40\x00ab\x03\x02\x00c\x03\x01\x01\x00\x03\x02\x42\x00\x03\x03\x09x"))
	f.Add([]byte("\x04\x01\x34\x01\x00\x05\x01\x41\x00ab\x05\x01\x41cde"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newConn(nowhere{}, Options{
			Handle: func(r *Request) {
				if r.number%2 == 0 {
					echo(r)
				}
			},
			Limits: Limits{Open: 10, Buffered: 100_000, Properties: 1000},
		})
		answered := make(chan error, 6)
		done := func(_ *Response, err error) { answered <- err }
		for range 2 {
			if err := c.Start(t.Context(), &Message{Body: []byte("x")}, done); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			_, err := c.CallTo(t.Context(), &Message{}, io.Discard)
			answered <- err
		}()
		feed(t, c, b)
		c.Drop(io.ErrUnexpectedEOF)
		_ = c.Run(t.Context())
		for range 3 {
			if err := <-answered; errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		if len(answered) > 0 {
			t.Fatal("answered twice")
		}
	})
}

func feed(t *testing.T, c *Conn, b []byte) {
	t.Helper()
	var e encoder
	defer e.release()
	for len(b) > 0 {
		n := min(int(b[0]), len(b)-1)
		frame := append(make([]byte, 0, n+len(deflateTail)), b[1:1+n]...)
		b = b[1+n:]
		if n%2 == 1 && n >= 2 {
			frame, _, _ = e.encode(nil, uint64(frame[0]), frame[1], frame[2:])
		}
		if err := c.receive(frame); err != nil {
			if !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			return
		}
	}
}
