package blip

import (
	"context"
	"io"
	"sync"
)

// maxStreamed is how many bytes may have come that were not acknowledged: somewhat more than
// a peer may send that keeps to flow control (blip.md 2.6), whose frame may be of 64 KiB.
const maxStreamed = maxUnacked + 2*readLimit

// answerStream is between the goroutine that reads and the writer that takes the body of an
// answer: it is filled without waiting, and what is in it is not acknowledged, so that the
// peer stops.
type answerStream struct {
	conn  *Conn
	ready chan struct{} // has one element if there may be something new
	space chan struct{} // has one element if something was taken

	mu       sync.Mutex
	number   uint64
	pieces   []piece
	came     uint64 // bytes that count for flow control
	acked    uint64
	dropped  bool // nobody takes it any more
	finished bool
	outcome  outcome
}

// piece is what one frame brought.
type piece struct {
	content []byte
	came    uint64 // what had come with it
}

func newAnswerStream(c *Conn) *answerStream {
	return &answerStream{conn: c, ready: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

func (s *answerStream) wake() { notify(s.ready) }

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits while too much is in memory and some of it is still to be taken from here: what
// deflates to nothing comes faster than anything can be written, and flow control, which
// counts bytes of the wire, does not stop it.
func (s *answerStream) pause() {
	for s.full() {
		select {
		case <-s.space:
		case <-s.conn.ended:
			return
		}
	}
}

func (s *answerStream) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dropped && len(s.pieces) > 0 && s.conn.buffered.Load() > int64(s.conn.limits.Buffered)/2
}

// push adds what a frame brought, or a piece of it.
func (s *answerStream) push(content []byte) error {
	s.pause()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped {
		return nil
	}
	s.pieces = append(s.pieces, piece{append([]byte(nil), content...), s.came})
	s.wake()
	return s.conn.charge(len(content))
}

// arrived notes how much of the answer has come after a frame of it.
func (s *answerStream) arrived(number, came uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number, s.came = number, came
	switch {
	case s.dropped:
		return nil
	case came-s.acked > maxStreamed:
		return errNotPaused
	case len(s.pieces) == 0:
		s.ack(came) // all of it is taken already
	default:
		s.pieces[len(s.pieces)-1].came = came
	}
	return nil
}

// holds tells whether acknowledgements are left to the one who takes the body.
func (s *answerStream) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dropped
}

// finish ends the stream; as call.done it is called once.
func (s *answerStream) finish(r *Response, err error) {
	s.mu.Lock()
	s.finished, s.outcome = true, outcome{r, err}
	s.mu.Unlock()
	s.wake()
}

func (s *answerStream) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finished
}

// discard throws away what is there and what will come.
func (s *answerStream) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = true
	for _, p := range s.pieces {
		s.conn.buffered.Add(-int64(len(p.content)))
	}
	s.pieces = nil
	s.conn.freed()
	s.ack(s.came)
	notify(s.space)
}

// copyTo writes the body to w until it ends.
func (s *answerStream) copyTo(ctx context.Context, w io.Writer) (*Response, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, ok, over := s.next()
		switch {
		case ok:
			_, err := w.Write(p.content)
			s.taken(p)
			if err != nil {
				return nil, err
			}
		case over:
			return s.outcome.response, s.outcome.err
		default:
			select {
			case <-s.ready:
			case <-ctx.Done():
			}
		}
	}
}

// next takes a piece out. Nothing is left to take if the answer failed.
func (s *answerStream) next() (p piece, ok, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pieces) == 0 || s.outcome.err != nil {
		return piece{}, false, s.finished
	}
	p = s.pieces[0]
	s.pieces[0] = piece{}
	s.pieces = s.pieces[1:]
	return p, true, false
}

// taken counts a piece back, and acknowledges it.
func (s *answerStream) taken(p piece) {
	s.conn.buffered.Add(-int64(len(p.content)))
	s.conn.freed()
	notify(s.space)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ack(p.came)
}

// ack acknowledges up to came, if it is due. An answer that is complete needs none.
func (s *answerStream) ack(came uint64) {
	if s.finished || came-s.acked < ackEvery || came < s.acked {
		return
	}
	s.acked = came
	s.conn.acknowledge(ack{kind: typeAckAnswer, number: s.number, total: came})
}
