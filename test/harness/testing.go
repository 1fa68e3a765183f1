package harness

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// logShown is how much of the server's log a failed test prints.
const logShown = 6000

// New starts a server for a test and ends it with the test; a test that failed shows
// the end of the server's log.
func New(t testing.TB, o Options) *Server {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a cold build
	defer cancel()

	s, err := Start(ctx, o)
	require.NoError(t, NeedTool(t, err))

	t.Cleanup(func() {
		if p := s.current(); t.Failed() && p != nil && p.ended() {
			t.Logf("the server at %s had ended: %v", s.URL, p.err)
		}

		if t.Failed() {
			t.Logf("log of the server at %s:\n%s", s.URL, s.LogTail(logShown))
		}

		require.NoError(t, s.Close())
	})

	return s
}

// NewScript starts a script for a test and ends it with the test.
func NewScript(t testing.TB, s Script) *Node {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a cold npm ci
	defer cancel()

	n, err := StartScript(ctx, s)
	require.NoError(t, NeedTool(t, err))

	t.Cleanup(func() { require.NoError(t, n.Close()) })

	return n
}

// NeedTool skips the test if err says that a program is missing, and hands on any other
// error. Where CI=true a missing program is a failure, so that nothing goes untested
// unseen.
func NeedTool(t testing.TB, err error) error {
	t.Helper()

	if !errors.Is(err, ErrNoTool) || os.Getenv("CI") == "true" {
		return err
	}

	t.Skipf("SKIPPED, NOT TESTED: %v (CI=true makes this a failure)", err)

	return nil
}
