package caddysync

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestACommandEndsWhileItAsksForAPassword: the signal does not end the process by itself, and the terminal must not go on
// hiding what is typed.
func TestACommandEndsWhileItAsksForAPassword(t *testing.T) {
	t.Parallel()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("SKIPPED: there are no terminals here: ", err)
	}
	require.NoError(t, unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = user.Close() // ends what reads from the terminal still
		_ = terminal.Close()
	})
	echoes := func() bool {
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		require.NoError(t, err)
		return state.Lflag&unix.ECHO != 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := askPassword(ctx, int(terminal.Fd()))
		asked <- err
	}()
	require.Eventually(t, func() bool { return !echoes() }, time.Minute, time.Millisecond)
	cancel()
	select {
	case err := <-asked:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on asking")
	}
	require.True(t, echoes())
}
