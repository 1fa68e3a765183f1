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
	waitFor = 10 * time.Second
	tick    = 2 * time.Millisecond
)
