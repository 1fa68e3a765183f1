package blip

import (
	"errors"
	"time"
)

var (
	errWriteTimeout = errors.New("a frame could not be written in time")
	errStream       = errors.New("the body of a message could not be read")
)

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	setDefault(&l.Properties, maxProperties)
	setDefault(&l.Response, 20<<20)
	setDefault(&l.Open, 20_000)
	setDefault(&l.Buffered, 32<<20)
	setDefault(&l.Queue, 1<<20)
	setDefault(&l.WriteTimeout, time.Minute)
	if l.Message == nil {
		l.Message = func(string) int { return 20 << 20 }
	}
	if l.Skip == nil {
		l.Skip = func(string) bool { return false }
	}
	return l
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
