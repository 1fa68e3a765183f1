package harness

import (
	"testing"
	"time"
)

// limit calls late, in a goroutine of its own, if a test lasts so long that it may be taken to hang:
// half of what there was until the deadline of the test binary (-timeout). A server or a script that
// is ended then has the test fail by its name, where the deadline ends all tests and tells of
// thousands of goroutines.
func limit(tb testing.TB, late func()) {
	tb.Helper()

	limited, ok := tb.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return
	}

	deadline, ok := limited.Deadline()
	if !ok {
		return
	}

	timer := time.AfterFunc(time.Until(deadline)/2, late)
	tb.Cleanup(func() { timer.Stop() })
}
