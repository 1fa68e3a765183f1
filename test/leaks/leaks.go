// Package leaks says which goroutines the tests may leave behind.
package leaks

import "go.uber.org/goleak"

// RegexpClock leaves out the clock by which matches of regular expressions are timed: it ends by
// itself a second after the last of them could have ended.
func RegexpClock() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock")
}
