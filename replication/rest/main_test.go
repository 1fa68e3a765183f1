package rest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/caddysync/caddy-sync/test/leaks"
	"go.uber.org/goleak"
)

// TestMain looks for goroutines that were left, and holds what all tests were answered
// against docs/api.yaml, if all of them ran.
func TestMain(m *testing.M) {
	described() // not first in a synctest bubble
	goleak.VerifyTestMain(m, leaks.RegexpClock(), goleak.Cleanup(func(code int) {
		if code == 0 && fullRun() {
			for _, problem := range described().record.Verdict() {
				fmt.Println("docs/api.yaml:", problem)
				code = 1
			}
		}
		os.Exit(code)
	}))
}

// fullRun reports whether no flag chose among the tests.
func fullRun() bool {
	for _, name := range []string{"run", "skip", "list", "bench", "fuzz", "fuzzworker"} {
		if v := flag.Lookup("test." + name).Value.String(); v != "" && v != "false" {
			return false
		}
	}
	return !testing.Short()
}
