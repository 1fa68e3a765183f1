package script

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that Call returns, possibly wrapped.
var (
	// ErrTimeout: the function ran longer than Options.Time.
	ErrTimeout = errors.New("the function exceeded its time limit")
	// ErrMemory: the function took more memory than Options.Memory.
	ErrMemory = errors.New("the function exceeded its memory limit")
	// ErrDepth: functions called one another deeper than maxCallDepth.
	ErrDepth = errors.New("the function's calls are nested too deep")
)

// SyntaxError says why a text is not a function that can be run, and where.
type SyntaxError struct {
	File string
	// Line and Column begin at 1; a column counts characters. Both are 0 if the
	// mistake is not at one place.
	Line, Column int
	Message      string
}

// Error begins with "file:line:column: ", as compilers do.
func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// ThrownError is a value that the function threw and did not catch, or with which a
// promise was rejected that nobody waits for. It may quote documents: it belongs into
// the server's log, not into an answer.
type ThrownError struct {
	// Message is the value as text, at most maxMessage bytes.
	Message string
	// Members are the own members of a thrown object, at most maxMembers of them:
	// strings, numbers and booleans as text, others as "".
	Members map[string]string
	// Stack has one call a line, innermost first, with file, line and column.
	Stack []string
}

func (e *ThrownError) Error() string {
	if len(e.Stack) == 0 {
		return e.Message
	}
	return e.Message + " at " + strings.Join(e.Stack, ", ")
}

// ThrowError is an error with which a Host makes the function throw an object that has
// these members; the function may catch it. Other errors are thrown as an Error.
type ThrowError struct {
	Members map[string]string
}

func (t *ThrowError) Error() string {
	return fmt.Sprintf("thrown: %v", t.Members)
}
