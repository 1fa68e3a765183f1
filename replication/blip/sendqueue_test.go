package blip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// order names the messages as they come out.
func order(q *sendQueue, names map[*outgoing]string) string {
	var out []string
	for m := q.pop(); m != nil; m = q.pop() {
		out = append(out, names[m])
	}
	return strings.Join(out, " ")
}

func TestUrgentMessagesGoAheadOfTheRest(t *testing.T) {
	t.Parallel()
	// A name in upper case is urgent, and one with a digit was started.
	for _, c := range []struct{ pushed, popped string }{
		{"a b c", "a b c"},
		{"A B C", "A B C"},
		{"a1 b1 C", "a1 C b1"},
		{"a1 b1 c1 C D", "a1 C b1 D c1"},     // one that is not urgent between two
		{"a1 b1 C1 D1 E1", "a1 C1 b1 D1 E1"}, // as long as there are any
		{"a b C", "a b C"},                   // never started does not overtake never started
		{"a b1 c1 C D", "a C b1 D c1"},
		{"a1 b c1 C", "a1 b C c1"},
		{"a b C1", "a C1 b"}, // what was started may
		{"C1 a1 b1 D1", "C1 a1 D1 b1"},
	} {
		q, names := new(sendQueue), map[*outgoing]string{}
		for name := range strings.FieldsSeq(c.pushed) {
			m := &outgoing{started: len(name) > 1}
			if name[0] < 'a' {
				m.flags |= flagUrgent
			}
			names[m] = name
			q.push(m)
		}
		require.Equal(t, c.popped, order(q, names), c.pushed)
		require.Zero(t, q.urgent)
	}
}

func TestAMessageIsTakenOutOfTheQueue(t *testing.T) {
	t.Parallel()
	q := new(sendQueue)
	a, b := &outgoing{flags: flagUrgent}, &outgoing{}
	q.push(a)
	q.push(b)
	require.True(t, q.remove(a))
	require.False(t, q.remove(a))
	require.Zero(t, q.urgent)
	require.Same(t, b, q.pop())
	require.Nil(t, q.pop())
}

// sendAll queues messages of which the first frame is made of the first when the rest come.
func sendAll(t *testing.T, p *peer, messages ...*Message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, p.conn.Send(t.Context(), m))
		synctest.Wait()
	}
}

func TestMessagesTakeTurnsAndAreNumberedByTheirFirstFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{})
		long := make([]byte, 2*frameSize)
		sendAll(t, p, &Message{Body: long}, &Message{Body: long}, &Message{Body: []byte("small")})
		var numbers []uint64
		for range 7 {
			numbers = append(numbers, p.next().number)
		}
		require.Equal(t, []uint64{1, 2, 3, 1, 2, 1, 2}, numbers)
	})
}

func TestFramesAreSmallWhileAnUrgentMessageWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{})
		sendAll(t, p, &Message{Body: make([]byte, 3*frameSize)}, &Message{Body: make([]byte, 2*frameSize), Urgent: true})
		var got []string
		for range 8 {
			s := p.next()
			require.Equal(t, s.number == 2, s.flags&flagUrgent != 0)
			require.LessOrEqual(t, s.size, frameSize)
			got = append(got, fmt.Sprint(s.number, " ", (s.size+frameOverhead)>>10))
		}
		require.Equal(t, []string{"1 16", "2 16", "1 4", "2 16", "1 4", "2 0", "1 16", "1 8"}, got)
	})
}

func TestAnAnswerToAnUrgentRequestIsUrgent(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{})
	p.send(1, flagUrgent, message(""))
	require.Equal(t, byte(typeAnswer|flagUrgent), p.next().flags)
	p = newPeer(t, Options{Handle: func(r *Request) { r.Refuse("HTTP", 404, "missing") }})
	p.send(1, flagUrgent, message(""))
	s, properties, body := p.nextMessage()
	require.Equal(t, byte(typeError|flagUrgent), s.flags)
	require.Equal(t, Properties{{"Error-Domain", "HTTP"}, {"Error-Code", "404"}}, properties)
	require.Equal(t, "missing", body)
}
