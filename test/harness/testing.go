package harness

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// logShown is how much of the server's log a failed test prints.
const logShown = 6000

// New starts a server for a test and ends it with the test; a test that failed shows
// the end of the server's log.
func New(tb testing.TB, o Options) *Server {
	tb.Helper()

	ctx, cancel := context.WithTimeout(tb.Context(), 5*time.Minute) // a cold build
	defer cancel()

	s, err := Start(ctx, o)
	require.NoError(tb, NeedTool(tb, err))

	tb.Cleanup(func() {
		if p := s.current(); tb.Failed() && p != nil && p.ended() {
			tb.Logf("the server at %s had ended: %v", s.URL, p.err)
		}

		assert.NoError(tb, s.CheckLog())

		if tb.Failed() {
			tb.Logf("log of the server at %s:\n%s", s.URL, s.LogTail(logShown))
		}

		require.NoError(tb, s.Close())
	})
	limit(tb, func() {
		tb.Errorf("the test hangs: ending the server at %s, whose goroutines are in its log", s.URL)
		_ = s.dumpAndEnd()
	})

	return s
}

// NewScript starts a script for a test and ends it with the test.
func NewScript(tb testing.TB, s Script) *Node {
	tb.Helper()

	ctx, cancel := context.WithTimeout(tb.Context(), 5*time.Minute) // a cold npm ci
	defer cancel()

	n, err := StartScript(ctx, s)
	require.NoError(tb, NeedTool(tb, err))

	tb.Cleanup(func() { require.NoError(tb, n.Close()) })
	limit(tb, func() {
		tb.Errorf("the test hangs: ending %s, which wrote\n%s", n.script, n.Output())
		_ = n.Close()
	})

	return n
}

// NeedTool skips the test if err says that a program is missing, and hands on any other
// error. Where CI=true a missing program is a failure, so that nothing goes untested
// unseen.
func NeedTool(tb testing.TB, err error) error {
	tb.Helper()

	if !errors.Is(err, ErrNoTool) || os.Getenv("CI") == "true" {
		return err
	}

	tb.Skipf("SKIPPED, NOT TESTED: %v (CI=true makes this a failure)", err)

	return nil
}
