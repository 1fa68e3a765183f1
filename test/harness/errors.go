package harness

import "errors"

var (
	// ErrNoTool is returned when a program that a test needs is not installed.
	ErrNoTool = errors.New("a program is missing")
	// ErrNotReady is returned when a server did not answer in time.
	ErrNotReady = errors.New("the server did not become ready")
	// ErrExited is returned when a process ended before what was waited for.
	ErrExited = errors.New("the process has ended")
	// ErrNotTaken is returned when a new connection ended without a byte of an answer to
	// its first request.
	ErrNotTaken = errors.New("the new connection was not taken")
	// ErrUnsound is returned when the server's log shows a panic or a data race.
	ErrUnsound = errors.New("the server is unsound")
	// ErrRefused is returned when the server answers a helper's request with an error.
	ErrRefused = errors.New("the server refused")
)
