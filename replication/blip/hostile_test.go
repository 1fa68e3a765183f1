package blip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

func TestARequestOutOfTurnEndsTheConnection(t *testing.T) {
	t.Parallel()
	for _, numbers := range [][]uint64{{0}, {2}, {1, 1}, {1, 3}, {1, 2, 1}, {1<<64 - 1}, {1, 1<<63 + 1}} {
		t.Run(fmt.Sprint(numbers), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, Options{Handle: func(*Request) {}})
			for _, n := range numbers {
				p.send(n, 0, message(""))
			}
			p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
		})
	}
}

func TestAnAnswerToWhatWasNotAskedEndsTheConnection(t *testing.T) {
	t.Parallel()
	for _, kind := range []byte{typeAnswer, typeError} {
		p := newPeer(t, Options{})
		p.send(1, kind, message(""))
		p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
	}
}

func TestASecondAnswerEndsTheConnection(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	done := make(chan error, 2)
	require.NoError(t, p.conn.Start(t.Context(), &Message{}, func(_ *Response, err error) { done <- err }))
	p.next()
	p.send(1, typeAnswer, message("a"))
	p.send(1, typeAnswer, message("b"))
	p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
	require.NoError(t, <-done)
	require.Empty(t, done)
}

func TestAnAnswerToWhatWantsNoneEndsTheConnection(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	require.NoError(t, p.conn.Send(t.Context(), &Message{}))
	require.Equal(t, byte(flagNoReply), p.next().flags)
	p.send(1, typeAnswer, message(""))
	p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
}

func TestBadFramesEndTheConnection(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\xff", 10) + "\x7f"
	for name, b := range map[string]string{
		"empty":                     "",
		"number only":               "\x01",
		"number not ended":          "\x81",
		"number too long":           long + "\x00",
		"flags too long":            "\x01" + long,
		"no checksum":               "\x01\x00abc",
		"wrong checksum":            "\x01\x00\x00\x00\x00\x00\x00",
		"deflated garbage":          "\x01\x08\xff\xff\xff\x00\x00\x00\x00",
		"deflated, cut":             "\x01\x08\x4a\x00\x00\x00\x00",
		"deflated, a block behind":  "\x01\x08\x01\x00\x00\xff\xff\x00\x00\x00\x00\x00",
		"acknowledgement of what":   "\x01\x34",
		"acknowledgement, too long": "\x01\x34" + long,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, Options{})
			p.raw([]byte(b))
			p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
		})
	}
}

func TestBadMessagesEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":                       "",
		"ends in the length":            "\x80",
		"ends in the properties":        "\x04a\x00",
		"properties without an end":     "\x03a\x00b",
		"a name without a value":        "\x02a\x00",
		"length of ten bytes and more":  strings.Repeat("\x80", 11),
		"length that overflows":         strings.Repeat("\xff", 9) + "\x7f",
		"length that overflows, longer": strings.Repeat("\xff", 20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, Options{})
			p.send(1, 0, []byte(content))
			p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
		})
	}
}

func TestWhatIsUnknownIsIgnored(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	for _, kind := range []byte{3, 6, 7} {
		p.raw([]byte{1, kind, 1, 2})
	}
	p.raw(ack{typeAckRequest, 77, 1}.append(nil)) // of what is not sent
	p.raw(ack{typeAckAnswer, 77, 1 << 63}.append(nil))
	b, _, err := p.enc.encode([]byte{}, 1, 0, message("body", Property{"a", "b"}))
	require.NoError(t, err)
	p.raw(append(binary.AppendUvarint([]byte{1}, 0x3f80), b[2:]...)) // bits to come
	s, properties, body := p.nextMessage()
	require.Equal(t, byte(typeAnswer), s.flags)
	require.Equal(t, Properties{{"a", "b"}}, properties)
	require.Equal(t, "body", body)
}

func TestPropertiesOfAnyLengthAreRefusedBeforeMemoryIsMade(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{100<<10 + 1, 1 << 31, 1 << 60, 1<<63 + 5, 1<<64 - 1} {
		p := newPeer(t, Options{})
		p.send(1, flagMore, binary.AppendUvarint(nil, size))
		p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
	}
}

func TestPropertiesUpToTheLimitAreTaken(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{Handle: func(r *Request) { r.Reply(&Message{Body: []byte(fmt.Sprint(len(r.Properties)))}) }})
	go func() {
		all := message("", Property{"a", strings.Repeat("x", 100<<10-3)})
		for len(all) > 5000 {
			p.send(1, flagMore, all[:5000])
			all = all[5000:]
		}
		p.send(1, 0, all)
	}()
	require.EqualValues(t, 10*5004, p.next().total)
	require.EqualValues(t, 20*5004, p.next().total)
	_, _, body := p.nextMessage()
	require.Equal(t, "1", body)
}

// heapDuring tells by how much the heap grew while f ran.
func heapDuring(f func()) int64 {
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys) - int64(before.HeapSys)
}

// Not parallel: memory of other tests would count.
func TestAZipBombEndsTheConnectionInBoundedMemory(t *testing.T) {
	b := append([]byte{1, flagCompressed | flagMore}, deflatedZeros(t, 25<<20)...)
	require.Less(t, len(b), readLimit)
	for _, limit := range []int{1 << 20, 100 << 20} { // of the message, of the frame
		p := newPeer(t, Options{Limits: Limits{Message: func(string) int { return limit }}})
		grown := heapDuring(func() {
			p.raw(bytes.Clone(b))
			p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
		})
		if limit == 1<<20 {
			require.Less(t, grown, int64(8<<20))
		}
	}
}

func TestAZipBombOfManyFramesIsALongBody(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{Limits: Limits{Message: func(profile string) int {
		if profile == "big" {
			return 20 << 20
		}
		return 2 << 20
	}}})
	p.send(1, flagCompressed|flagMore, message("", Property{"Profile", "x"}))
	for range 1000 {
		if !p.send(1, flagCompressed|flagMore, make([]byte, 1<<20)) {
			break
		}
	}
	p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
	require.Less(t, p.conn.buffered.Load(), int64(8<<20))
}

func TestABodyIsAsLongAsItsProfileMayBe(t *testing.T) {
	t.Parallel()
	limits := Limits{Message: func(profile string) int { return len(profile) }}
	p := newPeer(t, Options{Limits: limits})
	p.send(1, 0, message("1234", Property{"Profile", "four"}))
	_, _, body := p.nextMessage()
	require.Equal(t, "1234", body)
	p.send(2, 0, message("12345", Property{"Profile", "four"}))
	p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
}

// The body of a request that is too large is thrown away where its profile says so, and what comes after it
// is taken as ever.
func TestABodyThatIsTooLargeIsSkipped(t *testing.T) {
	t.Parallel()
	large := make(chan bool, 2)
	p := newPeer(t, Options{
		Handle: func(r *Request) {
			large <- r.TooLarge
			r.Reply(&Message{Body: r.Body})
		},
		Limits: Limits{
			Message: func(string) int { return 100_000 }, Skip: func(profile string) bool { return profile == "skip" }, Buffered: 1 << 20,
		},
	})
	p.send(1, flagCompressed|flagMore, message("", Property{"Profile", "skip"}))
	for range 30 {
		p.send(1, flagCompressed|flagMore, make([]byte, 1<<20))
	}
	p.send(1, flagCompressed, []byte("end"))
	_, _, body := p.nextMessage()
	require.Empty(t, body)
	require.True(t, <-large)
	p.send(2, 0, message("fits", Property{"Profile", "skip"}))
	_, _, body = p.nextMessage()
	require.Equal(t, "fits", body)
	require.False(t, <-large)
	p.send(3, flagMore, message(strings.Repeat("x", 60_000), Property{"Profile", "other"}))
	p.send(3, 0, bytes.Repeat([]byte("x"), 60_000))
	p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
}

func TestAMillionTinyFramesEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "one byte": "x"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken := new(Counters)
			p := newPeer(t, Options{Counters: taken})
			p.send(1, flagMore, message(""))
			for range 1_000_000 {
				if !p.send(1, flagMore, []byte(content)) {
					break
				}
			}
			p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
			require.Less(t, taken.BytesIn.Load(), uint64(2000*7))
			require.Less(t, p.conn.buffered.Load(), int64(1<<20))
		})
	}
}

func TestAFloodOfTinyMessagesTakesNoMemory(t *testing.T) {
	t.Parallel()
	n := 0
	c := newConn(nil, Options{Handle: func(*Request) { n++ }})
	var e encoder
	var b []byte
	const flood = 200_000
	for i := range uint64(flood) {
		b, _, _ = e.encode(b[:0], i+1, flagNoReply, []byte{0})
		if err := c.receive(b); err != nil {
			require.NoError(t, err)
		}
	}
	require.Equal(t, flood, n)
	require.Zero(t, c.buffered.Load())
	require.Zero(t, c.open)
	require.Empty(t, c.requests)
}

func TestTooManyRequestsAtOnceEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]byte{"incomplete": flagMore, "not answered": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, Options{Handle: func(*Request) {}, Limits: Limits{Open: 10}})
			for i := range uint64(10) {
				require.True(t, p.send(i+1, flags, message("")))
			}
			require.NoError(t, p.conn.cause)
			p.send(11, flags, message(""))
			p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
		})
	}
}

func TestIncompleteMessagesAreBoundedTogether(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{Limits: Limits{Buffered: 1 << 20}})
	for i := uint64(1); p.send(i, flagMore, message(strings.Repeat("x", 15000))); i++ {
	}
	p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
	require.Less(t, p.conn.buffered.Load(), int64(2<<20))
}

func TestAPeerThatNeverReadsIsEnded(t *testing.T) {
	t.Parallel()
	t.Run("by what is queued for it", func(t *testing.T) {
		t.Parallel()
		handled := 0
		p := newPeer(t, Options{
			Handle: func(r *Request) {
				handled++
				r.Reply(&Message{Body: make([]byte, 10_000)})
			},
			Limits: Limits{Buffered: 1 << 20},
		})
		for n := uint64(1); p.send(n, 0, message("")); n++ {
		}
		p.requireEnd(ErrLimit, websocket.StatusMessageTooBig)
		require.Less(t, handled, 110)
	})
	t.Run("by the time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, Options{})
			begin := time.Now()
			p.send(1, 0, message(""))
			require.ErrorIs(t, p.ended(), errWriteTimeout)
			require.Equal(t, time.Minute, time.Since(begin))
			require.Zero(t, p.ws.code)
		})
	})
}

// endless is a body without end that counts what is read of it.
type endless struct {
	read   atomic.Int64
	closed atomic.Int64
}

func (e *endless) Read(b []byte) (int, error) {
	e.read.Add(int64(len(b)))
	return len(b), nil
}

func (e *endless) Close() error {
	e.closed.Add(1)
	return nil
}

func TestAPeerThatNeverAcknowledgesStopsThatMessageOnly(t *testing.T) {
	t.Parallel()
	body := new(endless)
	p := newPeer(t, Options{})
	require.NoError(t, p.conn.Send(t.Context(), &Message{Stream: body}))
	sum := 0
	for sum < maxUnacked {
		sum += p.next().wire
	}
	require.NoError(t, p.conn.Send(t.Context(), &Message{Body: []byte("other")}))
	s := p.next()
	require.EqualValues(t, 2, s.number)
	require.Less(t, body.read.Load(), int64(150_000))
	p.conn.Drop(io.ErrUnexpectedEOF)
	require.ErrorIs(t, p.ended(), io.ErrUnexpectedEOF)
	require.EqualValues(t, 1, body.closed.Load())
}

func TestAPeerThatNeverAnswersIsTheCallersAffair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{})
		ctx, cancel := contextFor(t, time.Hour)
		defer cancel()
		go p.next()
		_, err := p.conn.Call(ctx, &Message{})
		require.ErrorIs(t, err, ctx.Err())
		require.NoError(t, p.conn.cause)
		p.send(1, typeAnswer, message("late")) // thrown away, and no error
		p.conn.Drop(errors.New("enough"))
		require.ErrorContains(t, p.ended(), "enough")
	})
}

func TestAPeerThatSendsOnWithoutAcknowledgementIsEnded(t *testing.T) {
	t.Parallel()
	taken := new(Counters)
	p := newPeer(t, Options{Counters: taken})
	w := newGate()
	defer close(w.open)
	go func() { _, _ = p.conn.CallTo(t.Context(), &Message{}, w) }()
	p.next()
	for p.send(1, typeAnswer|flagMore, message(strings.Repeat("x", 16000))) {
	}
	require.Less(t, taken.BytesIn.Load(), uint64(maxStreamed+2*16000))
	p.requireEnd(ErrProtocol, websocket.StatusProtocolError)
}
