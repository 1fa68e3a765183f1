package script

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain leaves out what test/leaks does, which this package may not import.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}
