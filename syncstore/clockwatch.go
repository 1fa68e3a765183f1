package syncstore

import (
	"time"

	"go.uber.org/zap"
)

const (
	// clockJump is how far the wall clock may go ahead of what has passed.
	clockJump = 10 * time.Minute
	// clockDoubt is for how long after that nothing is done because it is due.
	clockDoubt = time.Hour
)

// clockWatch tells when the wall clock was set forward: for a while it may be wrong, and what is
// dropped because its time has come does not return when the clock does. A machine that was asleep
// looks the same, and waits for the hour in vain. A clock that was set back drops nothing too early.
type clockWatch struct {
	wall, passed time.Time // at the last look
	doubted      time.Time // when the clock was found set forward
}

// trusted reports whether the clock can be gone by. passed is a time with a monotonic reading.
func (c *clockWatch) trusted(wall, passed time.Time) bool {
	wall = wall.Round(0)
	first := c.passed.IsZero()
	ahead := wall.Sub(c.wall) - passed.Sub(c.passed)
	c.wall, c.passed = wall, passed
	switch {
	case first:
	case ahead > clockJump:
		c.doubted = passed
	case ahead < -clockJump: // set back: it is as it was, or was wrong before
		c.doubted = time.Time{}
	}
	return c.doubted.IsZero() || passed.Sub(c.doubted) > clockDoubt
}

// mayDrop reports whether what has had its time may be dropped, as a loop of background work has to ask
// before each turn. The log has each jump.
func (s *Store) mayDrop(c *clockWatch) bool {
	before := c.doubted
	trusted := c.trusted(s.options.Now(), time.Now())
	if !trusted && c.doubted != before {
		s.logger.Warn("the clock was set forward: nothing is dropped because of its age for a while, in case it is set back",
			zap.Duration("while", clockDoubt))
	}
	return trusted
}
