package blip

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// pacedPeer sends long requests and short ones, and answers of the short ones tell what came before.
type pacedPeer struct {
	*peer
	last  uint64
	whole chan *Request // the long ones
}

func newPacedPeer(t *testing.T) *pacedPeer {
	t.Helper()
	p := &pacedPeer{whole: make(chan *Request, 10)}
	p.peer = newPeer(t, Options{Limits: Limits{Buffered: 16 << 20}, Handle: func(r *Request) {
		if len(r.Body) > 0 {
			p.whole <- r
			return
		}
		r.Reply(&Message{})
	}})
	return p
}

// begin begins so many long requests.
func (p *pacedPeer) begin(n int) {
	for range n {
		p.last++
		p.send(p.last, flagMore, message("x"))
	}
}

// acked sends a frame of a long request, and tells of which requests it was acknowledged.
func (p *pacedPeer) acked(number uint64, flags byte) (numbers []uint64) {
	p.tb.Helper()
	p.send(number, flags, make([]byte, 60_000))
	return p.acks()
}

// acks are the requests that were acknowledged.
func (p *pacedPeer) acks() (numbers []uint64) {
	p.tb.Helper()
	p.last++
	p.send(p.last, 0, message(""))
	for {
		s := p.next()
		switch {
		case s.kind() == typeAckRequest:
			numbers = append(numbers, s.number)
		case s.number == p.last:
			return numbers
		}
	}
}

// crowd begins three long requests, and sends of each until so much is in memory that only the first is acknowledged.
func (p *pacedPeer) crowd() {
	p.tb.Helper()
	p.begin(3)
	for crowded := false; !crowded; {
		require.Equal(p.tb, []uint64{1}, p.acked(1, flagMore))
		crowded = len(p.acked(2, flagMore))+len(p.acked(3, flagMore)) == 0
	}
}

func TestLongRequestsComeOneByOneWhileMuchIsInMemory(t *testing.T) {
	t.Parallel()
	p := newPacedPeer(t)
	p.crowd()
	for range 3 { // they go on a little, as their sender is not paused yet
		require.Empty(t, p.acked(2, flagMore))
		require.Empty(t, p.acked(3, flagMore))
		require.Equal(t, []uint64{1}, p.acked(1, flagMore))
	}
	require.Equal(t, []uint64{2}, p.acked(1, 0), "now it is the oldest")
	require.Equal(t, []uint64{2}, p.acked(2, flagMore))
	require.Empty(t, p.acked(3, flagMore))
	for range 80 { // much more than there was room for
		require.Equal(t, []uint64{2}, p.acked(2, flagMore))
	}
	require.Empty(t, p.acked(2, 0), "much waits for an answer")
	require.Empty(t, p.acked(3, flagMore))
	(<-p.whole).Reply(&Message{})
	(<-p.whole).Reply(&Message{})
	require.Equal(t, []uint64{3}, p.acks())
	require.Equal(t, []uint64{3}, p.acked(3, flagMore))
	p.send(3, 0, nil)
	(<-p.whole).Reply(&Message{})
	require.Empty(t, p.acks())
	require.Zero(t, p.conn.incomplete.Load())
	require.Nil(t, p.conn.held)
}

func TestARequestThatIsHeldBackIsForgottenWhenItIsWhole(t *testing.T) {
	t.Parallel()
	p := newPacedPeer(t)
	p.crowd()
	require.Empty(t, p.acked(2, flagNoReply), "what is left of it needed no acknowledgement")
	require.Equal(t, []uint64{3}, p.acked(1, 0))
}

// What the peer answers is in memory too, until it is whole.
func TestARequestThatAnAnswerHoldsBackGoesOnAfterIt(t *testing.T) {
	t.Parallel()
	p := newPacedPeer(t)
	answered := make(chan error, 1)
	require.NoError(t, p.conn.Start(t.Context(), &Message{}, func(_ *Response, err error) { answered <- err }))
	require.Equal(t, byte(typeRequest), p.next().kind())
	long := message(string(make([]byte, 60_000)))
	for size := 0; size <= 16<<20/crowdedShare; size += len(long) {
		p.send(1, typeAnswer|flagMore, long)
		require.Equal(t, byte(typeAckAnswer), p.next().kind())
	}
	p.begin(1)
	require.Empty(t, p.acked(1, flagMore))
	p.send(1, typeAnswer, nil)
	require.NoError(t, <-answered)
	ack := p.next()
	require.Equal(t, byte(typeAckRequest), ack.kind())
	require.EqualValues(t, 1, ack.number)
}

// As Couchbase Lite sends revisions: ten at once, however long they are.
func TestManyLongRequestsAtOnceAreTaken(t *testing.T) {
	t.Parallel()
	_, client := connect(t, Options{Limits: Limits{Buffered: 8 << 20}, Handle: func(r *Request) { r.Reply(&Message{}) }},
		Options{Limits: Limits{Queue: 1 << 30}})
	const requests = 10
	body := make([]byte, 3<<19)
	_, _ = rand.Read(body)
	answers := make(chan error, requests)
	for range requests {
		require.NoError(t, client.Start(withTimeout(t), &Message{Body: body}, func(_ *Response, err error) { answers <- err }))
	}
	for range requests {
		require.NoError(t, <-answers)
	}
}
