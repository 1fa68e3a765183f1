package syncstore

import (
	"errors"
	"time"
)

func errorsIsAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

const (
	waitFor = time.Minute // on a machine that does much else, too
	tick    = 2 * time.Millisecond
)

// only fails the test by an error that is none of those expected. It may be called by any goroutine.
func (f *fixture) only(err error, expected ...error) {
	f.t.Helper()
	if err != nil && !errorsIsAny(err, expected...) {
		f.t.Error(err)
	}
}
