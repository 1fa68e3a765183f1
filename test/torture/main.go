// Command torture writes to a caddy-sync server from many clients, kills it with SIGKILL
// at random moments, starts it again, and checks that it kept its promises: every
// acknowledged write is there, sequences never go back and have no gap, none is given
// twice, and no feed skips a change. Beside it attachments are written, sessions made and ended, devices
// with Couchbase Lite follow, backups are made, and the configuration is reloaded.
//
//	go run ./test/torture -duration 10m
//
// SIGKILL cannot show a missing sync to disk, since the page cache survives it: that is
// the business of test/syncack.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

func main() {
	c := config{log: os.Stdout, settings: defaultSettings()}
	flag.DurationVar(&c.duration, "duration", 10*time.Minute, "how long to write")
	flag.IntVar(&c.writers, "writers", 24, "clients that write")
	flag.IntVar(&c.shared, "shared", 40, "documents that all clients write")
	flag.IntVar(&c.rate, "rate", 2500, "documents a second at most, of all clients together")
	flag.DurationVar(&c.between, "between", 3*time.Second, "time from a restart to the next kill, on average")
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()), "of the random choices")
	flag.StringVar(&c.dir, "dir", "", "folder of the server, kept afterwards (default: a temporary one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	report, err := run(ctx, c)
	stop()
	if report != nil {
		fmt.Print(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if err != nil || report.found > 0 {
		os.Exit(1)
	}
}

// defaultSettings keep little in memory, so that tables are flushed and compacted often.
func defaultSettings() harness.Settings {
	return harness.Settings{
		Database: limits(0),
		Store:    "memory 64MiB\nmin_free 64MiB",
		Sync:     "stream_close_delay 1s\ndatabase " + files + " {\noidc dev\nlimits {\nuser_requests off\n}\n}", Databases: database + " " + files,
	}
}

// limits let a few users do what many would. n makes them differ.
func limits(n int) string {
	return fmt.Sprintf("limits {\nuser_requests off\nuser_feeds off\nbulk_docs %d\n}", 1000+n)
}
