package blip

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAMessageIsAcknowledgedEvery50000BytesOfTheWire(t *testing.T) {
	t.Parallel()
	for _, flags := range []byte{0, flagCompressed} {
		p := newPeer(t, Options{Handle: func(r *Request) { r.Reply(&Message{Body: r.Body[:1]}) }})
		body := strings.Repeat("0", 10_000)
		content := message(body)
		var want, wire, acked uint64
		for range 20 {
			b, counted, err := p.enc.encode(nil, 1, flagMore|flags, content)
			require.NoError(t, err)
			wire += uint64(counted)
			p.raw(b)
			if wire-acked >= 50_000 {
				want++
				acked = wire
				require.Equal(t, sent{number: 1, flags: typeAckRequest | flagUrgent | flagNoReply, total: wire}, zeroSizes(p.next()))
			}
			content = []byte(body)
		}
		p.send(1, 0, make([]byte, 60_000)) // the last frame needs none
		s, _, _ := p.nextMessage()
		require.EqualValues(t, typeAnswer, s.kind())
		require.Equal(t, flags == 0, want > 0, "10000 zeros, deflated, are small")
	}
}

func zeroSizes(s sent) sent {
	s.size, s.wire = 0, 0
	return s
}

func TestASenderPausesAMessageAt128000BytesNotAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{Limits: Limits{Queue: 10 << 20}})
		sendAll(t, p, &Message{Body: make([]byte, 500_000)})
		sum := uint64(0)
		more := func() bool {
			synctest.Wait()
			select {
			case b := <-p.ws.out:
				sum += uint64(p.parse(b).wire)
				return true
			default:
				return false
			}
		}
		for more() {
		}
		require.InDelta(t, 128_000+8192, sum, 8192)
		for acked := uint64(50_000); acked < 350_000; acked += 50_000 {
			p.raw(ack{typeAckRequest, 1, acked}.append(nil))
			p.raw(ack{typeAckRequest, 1, acked - 1}.append(nil)) // never less than before
			p.raw(ack{typeAckAnswer, 1, 1 << 60}.append(nil))    // another message
			for more() {
			}
			require.InDelta(t, acked+128_000+8192, sum, 8192)
		}
		p.raw(ack{typeAckRequest, 1, 1<<64 - 1}.append(nil)) // the peer's own loss
		for more() {
		}
		require.Greater(t, sum, uint64(500_000))
		require.Zero(t, p.conn.queued)
		require.Empty(t, p.conn.sending)
	})
}

func TestSendWaitsWhileTooMuchIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{Limits: Limits{Queue: 100_000}})
		sendAll(t, p, &Message{Body: make([]byte, 10_000)}, &Message{Body: make([]byte, 95_000)})
		sent := make(chan error, 1)
		go func() { sent <- p.conn.Send(t.Context(), &Message{Body: []byte("x")}) }()
		synctest.Wait()
		require.Empty(t, sent)
		p.next() // the first, whole
		synctest.Wait()
		require.NoError(t, <-sent)

		ctx, cancel := contextFor(t, time.Nanosecond)
		defer cancel()
		sendAll(t, p, &Message{Body: make([]byte, 100_000)})
		body := new(endless)
		require.ErrorIs(t, p.conn.Send(ctx, &Message{Stream: body}), ctx.Err())
		require.EqualValues(t, 1, body.closed.Load())
	})
}

// part is a stream of n bytes that is read as tests say.
type part struct {
	io.Reader
	closed chan struct{}
}

func newPart(r io.Reader) *part { return &part{r, make(chan struct{})} }

func (p *part) Close() error {
	close(p.closed)
	return nil
}

func TestAStreamedBodyIsSentWhole(t *testing.T) {
	t.Parallel()
	_, c := connect(t, Options{Handle: echo}, Options{})
	const size = frameSize - frameOverhead
	for _, n := range []int{0, 1, size - 3, size - 2, size - 1, size, 2 * size, 2*size - 1, 300_000} {
		body := bytes.Repeat([]byte("abcdefg"), n/7+1)[:n]
		for _, begin := range []int{0, n / 2, n} {
			for _, wrap := range []func(io.Reader) io.Reader{iotest.HalfReader, iotest.DataErrReader} {
				s := newPart(wrap(bytes.NewReader(body[begin:])))
				r, err := c.Call(withTimeout(t), &Message{Body: body[:begin], Stream: s})
				require.NoError(t, err)
				require.True(t, bytes.Equal(body, r.Body))
				<-s.closed
			}
		}
	}
}

func TestAStreamsLastFrameIsNotEmpty(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	const size = frameSize - frameOverhead
	require.NoError(t, p.conn.Send(t.Context(), &Message{Stream: newPart(bytes.NewReader(make([]byte, 2*size-1)))}))
	require.NotZero(t, p.next().flags&flagMore)
	s := p.next()
	require.Zero(t, s.flags&flagMore)
	require.Len(t, s.content, size)
}

func TestABodyThatCannotBeReadEndsTheConnection(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	s := newPart(iotest.ErrReader(errors.New("disk")))
	require.NoError(t, p.conn.Send(t.Context(), &Message{Stream: s}))
	require.ErrorContains(t, p.ended(), "disk")
	<-s.closed
	require.Zero(t, p.ws.code)
}

// pattern is what long bodies repeat; its length is no power of two, as those of frames are.
var pattern = text(rand.New(rand.NewPCG(7, 7)), 10_007)

// repeated is a body of n bytes.
type repeated struct{ n, at int64 }

func (r *repeated) Read(b []byte) (int, error) {
	if r.at == r.n {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), r.n-r.at)], pattern[r.at%int64(len(pattern)):])
	r.at += int64(n)
	return n, nil
}

func (*repeated) Close() error { return nil }

// sameRepeated checks what is written to it against repeated.
type sameRepeated struct {
	at  int64
	bad bool
}

func (w *sameRepeated) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		part := pattern[w.at%int64(len(pattern)):]
		part = part[:min(len(part), len(rest))]
		w.bad = w.bad || !bytes.Equal(part, rest[:len(part)])
		w.at += int64(len(part))
		rest = rest[len(part):]
	}
	return len(b), nil
}

// Not parallel: memory of other tests would count.
func TestALargeAnswerGoesThroughInConstantMemory(t *testing.T) {
	const size = int64(32 << 20)
	_, c := connect(t, Options{Handle: func(r *Request) {
		r.Reply(&Message{Stream: &repeated{n: size}})
	}}, Options{})
	w := new(sameRepeated)
	grown := heapDuring(func() {
		_, err := c.CallTo(t.Context(), &Message{}, w)
		require.NoError(t, err)
	})
	require.False(t, w.bad)
	require.Equal(t, size, w.at)
	require.Less(t, grown, size/2)
	require.Zero(t, c.buffered.Load())
}

func TestASlowWriterStopsThePeerAndNothingElse(t *testing.T) {
	t.Parallel()
	body := new(endless)
	_, c := connect(t, Options{Handle: func(r *Request) {
		if r.Profile() == "endless" {
			r.Reply(&Message{Stream: body})
			return
		}
		echo(r)
	}}, Options{})
	w := newGate()
	ctx, cancel := contextFor(t, time.Hour)
	over := make(chan error, 1)
	go func() {
		_, err := c.CallTo(ctx, &Message{Properties: Properties{{"Profile", "endless"}}}, w)
		over <- err
	}()
	require.Eventually(t, func() bool { return body.read.Load() >= maxUnacked }, patience, time.Millisecond)
	for range 100 { // as much may be sent as is not acknowledged; others go on
		_, err := c.Call(withTimeout(t), &Message{Body: []byte("x")})
		require.NoError(t, err)
	}
	require.Less(t, body.read.Load(), int64(maxStreamed))
	require.Less(t, c.buffered.Load(), int64(maxStreamed))
	close(w.open)
	require.Eventually(t, func() bool { return body.read.Load() > 10_000_000 }, patience, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-over, ctx.Err())
	// The rest is acknowledged and thrown away.
	at := body.read.Load()
	require.Eventually(t, func() bool { return body.read.Load() > at+1_000_000 }, patience, time.Millisecond)
	require.Eventually(t, func() bool { return c.buffered.Load() < 2*messageCost }, patience, time.Millisecond)
}

func TestAnErrorOfTheWriterEndsTheCallAlone(t *testing.T) {
	t.Parallel()
	_, c := connect(t, Options{Handle: func(r *Request) {
		r.Reply(&Message{Properties: r.Properties, Stream: &repeated{n: 1_000_000}})
	}}, Options{})
	r, w := io.Pipe()
	_ = r.CloseWithError(errors.New("full"))
	_, err := c.CallTo(withTimeout(t), &Message{}, w)
	require.ErrorContains(t, err, "full")
	again := new(sameRepeated)
	response, err := c.CallTo(withTimeout(t), &Message{Properties: Properties{{"a", "b"}}}, again)
	require.NoError(t, err)
	require.Equal(t, &Response{Properties: Properties{{"a", "b"}}}, response)
	require.EqualValues(t, 1_000_000, again.at)
}

func TestARefusalDoesNotGoToTheWriter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 500_000)
	_, c := connect(t, Options{Handle: func(r *Request) { r.Refuse("HTTP", 404, long) }}, Options{})
	w := new(bytes.Buffer)
	_, err := c.CallTo(withTimeout(t), &Message{}, w)
	require.Equal(t, &PeerError{Domain: "HTTP", Code: 404, Text: long}, err)
	require.Zero(t, w.Len())
	require.Less(t, len(err.Error()), 100)
}

func TestAStreamedAnswerIsAcknowledgedAsItIsTaken(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	w := newGate()
	over := make(chan error, 1)
	go func() {
		_, err := p.conn.CallTo(t.Context(), &Message{}, w)
		over <- err
	}()
	p.next()
	content := message(strings.Repeat("x", 15_995)) // 16000 with length and checksum
	for range 8 {
		p.send(1, typeAnswer|flagMore, content)
		content = []byte(strings.Repeat("x", 15_996))
	}
	close(w.open)
	require.EqualValues(t, 64_000, p.next().total)
	require.EqualValues(t, 128_000, p.next().total)
	p.send(1, typeAnswer, []byte("end"))
	require.NoError(t, <-over)
	require.Equal(t, 8*15_996-1, w.all.Len()-len("end"))
	require.True(t, strings.HasSuffix(w.all.String(), "xend"))
}

func TestAnAnswerMayComeBeforeTheRequestIsSentWhole(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	answered := make(chan error, 1)
	require.NoError(t, p.conn.Start(t.Context(), &Message{Body: make([]byte, 40_000)}, func(_ *Response, err error) { answered <- err }))
	p.next()
	p.send(1, typeError, message("", Property{"Error-Domain", "HTTP"}, Property{"Error-Code", "413"}))
	require.Equal(t, &PeerError{Domain: "HTTP", Code: 413}, <-answered)
	p.next()
	require.Zero(t, p.next().flags&flagMore)
}

func TestACallGivenUpBeforeItWasSentIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{})
		sendAll(t, p, &Message{}) // in hand, as nobody reads
		ctx, cancel := contextFor(t, time.Nanosecond)
		defer cancel()
		body := new(endless)
		_, err := p.conn.Call(ctx, &Message{Stream: body})
		require.ErrorIs(t, err, ctx.Err())
		require.EqualValues(t, 1, body.closed.Load())
		require.NoError(t, p.conn.Send(t.Context(), &Message{Body: []byte("x")}))
		p.next()
		require.Equal(t, "\x00x", p.next().content)
	})
}

// Of what deflates to nothing, 16 MiB come in a frame, and all before an acknowledgement is due.
func TestAStreamedAnswerThatDeflatesToNothingWaitsForItsWriter(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	w := newGate()
	over := make(chan error, 1)
	go func() {
		_, err := p.conn.CallTo(t.Context(), &Message{}, w)
		over <- err
	}()
	p.next()
	const frames, size = 16, 4 << 20
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		content := message(string(make([]byte, size)))
		for range frames {
			p.send(1, typeAnswer|flagMore|flagCompressed, content)
			content = make([]byte, size)
		}
		p.send(1, typeAnswer, []byte("end"))
	}()
	require.Eventually(t, func() bool { return p.conn.buffered.Load() > 8<<20 }, patience, time.Millisecond)
	require.Never(t, func() bool { return p.conn.buffered.Load() > 20<<20 }, 200*time.Millisecond, time.Millisecond)
	close(w.open)
	require.NoError(t, <-over)
	<-sent
	require.Equal(t, frames*size+len("end"), w.all.Len())
	require.Zero(t, p.conn.buffered.Load())
}

func TestAConnectionThatEndsDoesNotWaitForAWriter(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{Limits: Limits{Buffered: 1 << 20}})
	w := newGate()
	over := make(chan error, 1)
	go func() {
		_, err := p.conn.CallTo(t.Context(), &Message{}, w)
		over <- err
	}()
	p.next()
	go p.send(1, typeAnswer|flagMore|flagCompressed, message(string(make([]byte, 4<<20))))
	require.Eventually(t, func() bool { return p.conn.buffered.Load() > 1<<19 }, patience, time.Millisecond)
	p.conn.Drop(errors.New("stop"))
	require.Error(t, p.ended())
	close(w.open)
	require.Error(t, <-over)
}
