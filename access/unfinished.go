package access

import (
	"errors"

	"github.com/caddysync/caddy-sync/script"
)

// TimedOut reports whether the write failed because the function took too long.
func (r *RejectionError) TimedOut() bool { return r.Reason == reasonTimeout }

// OutOfMemory reports whether the write failed because the process grew too much while the function ran, for which
// others in it may be to blame.
func (r *RejectionError) OutOfMemory() bool { return errors.Is(r.cause, script.ErrMemory) }
