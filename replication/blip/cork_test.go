package blip

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recorded is a connection that keeps each write by itself.
type recorded struct {
	net.Conn
	writes   [][]byte
	err      error
	deadline time.Time
	closed   bool
}

func (r *recorded) SetWriteDeadline(t time.Time) error {
	r.deadline = t
	return nil
}

func (r *recorded) Close() error {
	r.closed = true
	return nil
}

// The answer to a close frame is written while the goroutine that writes still gathers.
func TestWhatWasGatheredIsWrittenBeforeTheEnd(t *testing.T) {
	t.Parallel()
	r := new(recorded)
	k := &cork{Conn: r}
	k.gather(nil)
	_, err := k.Write([]byte("close frame"))
	require.NoError(t, err)
	require.NoError(t, k.Close())
	require.Equal(t, [][]byte{[]byte("close frame")}, r.writes)
	require.True(t, r.closed)
	require.WithinDuration(t, time.Now().Add(settleTimeout), r.deadline, settleTimeout)
	require.NoError(t, k.let())
	require.Len(t, r.writes, 1)

	stuck := &cork{Conn: new(recorded)}
	stuck.mu.Lock() // a write that does not end
	require.NoError(t, stuck.Close())
}

func (r *recorded) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	r.writes = append(r.writes, append([]byte(nil), p...))
	return len(p), nil
}

func TestSmallFramesAreWrittenTogether(t *testing.T) {
	t.Parallel()
	r := new(recorded)
	k := &cork{Conn: r}
	write := func(p string) {
		n, err := k.Write([]byte(p))
		require.NoError(t, err)
		require.Equal(t, len(p), n)
	}
	write("before")
	k.gather(nil)
	write("a")
	write("b")
	require.Len(t, r.writes, 1)
	require.NoError(t, k.flush())
	write("c")
	write(string(make([]byte, corkSize)))
	require.Equal(t, [][]byte{[]byte("before"), []byte("ab"), []byte("c"), make([]byte, corkSize)}, r.writes, "in their order")
	write("d")
	require.NoError(t, k.let())
	write("close frame")
	require.NoError(t, k.flush())
	require.Equal(t, []byte("d"), r.writes[4])
	require.Equal(t, []byte("close frame"), r.writes[5])
}

func TestAnErrorOfGatheredFramesIsNotLost(t *testing.T) {
	t.Parallel()
	r := &recorded{err: errors.New("broken")}
	k := &cork{Conn: r}
	k.gather(nil)
	_, err := k.Write([]byte("a"))
	require.NoError(t, err)
	require.ErrorIs(t, k.flush(), r.err)
	_, err = k.Write([]byte("a"))
	require.NoError(t, err)
	require.ErrorIs(t, k.let(), r.err)
	var none *cork
	none.gather(nil)
	require.NoError(t, none.flush())
	require.NoError(t, none.let())
}

// The goroutine that writes has ended before it lets go: another one may have begun by then.
func TestWhatIsGatheredIsNotLostToTheNextWhoGathers(t *testing.T) {
	t.Parallel()
	r := new(recorded)
	k := &cork{Conn: r}
	k.gather(nil)
	_, err := k.Write([]byte("a"))
	require.NoError(t, err)
	k.gather(nil)
	_, err = k.Write([]byte("b"))
	require.NoError(t, err)
	require.NoError(t, k.let())
	require.Equal(t, [][]byte{[]byte("a"), []byte("b")}, r.writes)
}
