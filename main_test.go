package caddysync

import (
	"testing"

	"github.com/caddysync/caddy-sync/test/leaks"
	"go.uber.org/goleak"
)

// TestMain looks for goroutines that were left. The library that writes Caddy's log files leaves
// one for each file, which ends with the process; certmagic's looks after a lock file up to 5 s longer than
// there is one.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, leaks.RegexpClock(), goleak.IgnoreTopFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}
