package blip

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Section 8.2 of reference/blip.md: the last frame of a message is never an empty one, and one
// that comes empty ends a message all the same.
func TestAMessageThatFillsItsFrames(t *testing.T) {
	t.Parallel()
	const size = frameSize - frameOverhead
	for n := 1; n <= 4; n++ {
		for beyond := -1; beyond <= 1; beyond++ {
			p := newPeer(t, Options{})
			body := bytes.Repeat([]byte{'x'}, n*size-1+beyond) // a byte says that there are no properties
			require.NoError(t, p.conn.Send(t.Context(), &Message{Body: body}))
			got, frames := "", 0
			for more := true; more; frames++ {
				s := p.next()
				require.NotEmpty(t, s.content)
				require.LessOrEqual(t, s.size, frameSize)
				more = s.flags&flagMore != 0
				got += s.content
			}
			require.True(t, got[1:] == string(body), "%d bytes", len(body)) //nolint:testifylint // not to be printed
			want := n
			if beyond == 1 {
				want++
			}
			require.Equal(t, want, frames, "%d bytes", len(body))

			p = newPeer(t, Options{})
			go func() { // whole frames of 16 KiB, with and without one that has nothing
				all := message("", Property{"Profile", "x"})
				all = append(all, make([]byte, n*size-len(all))...)
				for i := range n {
					flags := byte(flagMore)
					if i == n-1 && beyond == 0 {
						flags = 0
					}
					p.send(1, flags, all[i*size:(i+1)*size])
				}
				if beyond != 0 {
					p.send(1, 0, nil)
				}
			}()
			s := p.next()
			for s.kind() == typeAckRequest {
				s = p.next()
			}
			require.Equal(t, byte(typeAnswer), s.kind())
		}
	}
}

// Section 8.2: what is acknowledged may be gone by then.
func TestAcknowledgementsOfFinishedMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Options{})
		require.NoError(t, p.conn.Send(t.Context(), &Message{Body: []byte("sent")}))
		require.EqualValues(t, 1, p.next().number)
		p.send(1, 0, message("ask"))
		require.Equal(t, byte(typeAnswer), p.next().kind())
		for _, total := range []uint64{0, 1, 5, 1 << 40, 1<<64 - 1} {
			p.raw(ack{typeAckRequest, 1, total}.append(nil))
			p.raw(ack{typeAckAnswer, 1, total}.append(nil))
		}
		p.send(2, 0, message("again"))
		_, _, body := p.nextMessage()
		require.Equal(t, "again", body)
		require.NoError(t, p.conn.Send(t.Context(), &Message{}))
		require.EqualValues(t, 2, p.next().number, "numbers go on")
	})
}

// Section 8.2: after the last number there is none; none comes around again.
func TestNumbersDoNotWrap(t *testing.T) {
	t.Parallel()
	for _, number := range []uint64{0, 1 << 63, 1<<64 - 1} {
		p := newPeer(t, Options{})
		p.send(1, 0, message("a"))
		p.next()
		p.send(number, 0, message("b"))
		require.ErrorIs(t, p.ended(), ErrProtocol)
	}
	p := newPeer(t, Options{})
	wrapped := append(bytes.Repeat([]byte{0x80}, 9), 0x02) // 2^64
	_, n := binary.Uvarint(wrapped)
	require.Negative(t, n)
	p.raw(append(wrapped, 0, 0, 0, 0, 0, 0))
	require.ErrorIs(t, p.ended(), ErrProtocol)
}
