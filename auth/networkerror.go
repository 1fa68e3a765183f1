package auth

import (
	"context"
	"errors"
	"net/url"
)

// isNetwork reports whether err is of an HTTP request that got no answer.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

// networkReason says why, without the address: its query may hold what was sent.
func networkReason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		if failed.Timeout() {
			return "timeout"
		}
		return failed.Err.Error()
	}
	return "no answer"
}
