// Command bench starts the built server and prints the table of DESIGN section 7 as far as
// its features exist: ratios against Caddy's own respond and against the engine alone,
// measured in one run on one machine with one client.
//
//	go run ./bench            most of an hour
//	go run ./bench -short     a tenth of the documents, under three minutes
//	go run ./bench -rows get,put -profiles /tmp/profiles
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	o := options{
		docs: 1_000_000, hot: 10_000, accounts: 10_000, crowd: 1_000_000, feeds: 10_000, pouch: 10_000,
		round: 3 * time.Second, rounds: 5, put: time.Minute, log: os.Stdout,
	}
	short := flag.Bool("short", false, "less of everything: a hint, not the bars")
	flag.StringVar(&o.rows, "rows", "", "which rows, of get,signin,changes,put,bulk,start,backup,feeds,pouch,lite-push,lite-pull,lite-sockets,lite-blob,access,views,accounts (default all)")
	flag.StringVar(&o.dir, "dir", "", "folder of the server, kept: a filled store in it is used again")
	flag.StringVar(&o.profiles, "profiles", "", "folder for CPU profiles of the server")
	docs := flag.Int("docs", 0, "documents in the store")
	crowd := flag.Int("crowd", 0, "users and sessions of the row of accounts")
	put := flag.Duration("put", 0, "how long a row of writes writes to the server (default 1m, with -short 6s)")
	limit := flag.Duration("limit", 0, "when to give up (default 30m, with -short 6m)")
	flag.Parse()
	if *short {
		o.docs, o.accounts, o.crowd, o.feeds, o.pouch = 100_000, 2000, 100_000, 2000, 2000
		o.round, o.rounds, o.put = time.Second, 3, 6*time.Second
	}
	if *docs > 0 {
		o.docs = *docs
	}
	if *crowd > 0 {
		o.crowd = *crowd
	}
	if *put > 0 {
		o.put = *put
	}
	if *limit == 0 {
		*limit = 75 * time.Minute
		if *short {
			*limit = 6 * time.Minute
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, *limit)
	var err error
	if flag.Arg(0) == writersCommand {
		err = beWriters(ctx, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, o)
	}
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
