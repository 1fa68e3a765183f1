package caddysync

import (
	"context"
	"os"
	"strconv"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"golang.org/x/sys/unix"
)

// politeness is the nice value of a command that works for long on a machine whose server has more
// urgent things to do.
const politeness = 10

// politely runs a command that yields to others.
func politely(run func(context.Context, caddycmd.Flags, *terminal) error) func(context.Context, caddycmd.Flags, *terminal) error {
	return func(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
		yieldToOthers()
		return run(ctx, fl, t)
	}
}

// yieldToOthers lets the processor go to others first from now on. Linux keeps the nice value by
// thread, and a new thread has that of the one that started it, so all there are get it. Where it
// cannot be set, the command is as quick as before.
func yieldToOthers() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, politeness)
		}
	}
}
