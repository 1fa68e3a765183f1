package script

import (
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"
)

// maxRegexpText is the longest text, in UTF-16 units, that a regular expression is
// matched with; the script is thrown a RangeError for a longer one.
const maxRegexpText = 64 << 10

// goja hands regular expressions that need backtracking to regexp2, whose matches take
// exponential time in the worst case and can not be interrupted. Their limits are
// variables of regexp2 that are read when an expression is compiled; goja gives no access
// to the single ones. They are set before anything runs, so that nobody reads them
// meanwhile. Other users of regexp2 in this process get them too.
//
// A match that reaches a limit is told to the script as "no match", which it might take
// for a permission. So neither may be reached unnoticed: the time is beyond MaxTime, and
// a call fails in which a match took so long (matching); the stack is enough for 64
// entries a character of the longest text.
func init() {
	regexp2.DefaultMatchTimeout = MaxTime + 250*time.Millisecond
	regexp2.DefaultOptimizationOptions.MaxBacktrackingStackSize = 64 * maxRegexpText
}

// matching ends the call in which a single match may have come to its limit. The function's
// own limit may be further away: it does not count the time in which the process had no
// processor, and the limit of a match does.
func (s *sandbox) matching(original builtin) builtin {
	return func(call goja.FunctionCall) goja.Value {
		began := time.Now()
		found := original(call)
		if time.Since(began) >= MaxTime {
			s.watch.over()
		}
		return found
	}
}
