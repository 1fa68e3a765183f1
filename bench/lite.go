package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	litePushers = 16
	litePushBar = 0.40
	litePullers = 4
	litePullBar = 20_000
	// liteSocketBar is for what an idle connection takes beside the window of 32 KiB that
	// its inflater has to keep.
	liteSocketBar = (24 + 32) << 10
)

// litePushRow compares pushes with the engine alone, on a copy of the same store.
func (b *bench) litePushRow(ctx context.Context) error {
	counter := new(atomic.Int64)
	counter.Store(int64(b.next))
	compared, err := b.againstEngine(ctx, false, func() (written, error) {
		return b.litePushRound(ctx, b.put/time.Duration(b.rounds), counter)
	})
	if err != nil {
		return err
	}
	b.next = max(b.next, int(counter.Load()))
	b.add(compared.row(fmt.Sprintf("Couchbase Lite push on %d connections, synced", litePushers), litePushBar))
	return nil
}

func (b *bench) litePushRound(ctx context.Context, d time.Duration, counter *atomic.Int64) (written, error) {
	pushers := make([]*litePush, litePushers)
	for i := range pushers {
		c, err := b.dialLite(ctx, "notes", &b.people[i%len(b.people)], nil)
		if err != nil {
			return written{}, err
		}
		defer c.close()
		pushers[i] = newLitePush(c, func() int { return int(counter.Add(1)) })
	}
	before, err := b.counters(ctx)
	if err != nil {
		return written{}, err
	}
	b.profile(ctx, "lite-push", d)
	var times []time.Duration
	stop := b.profileOwn("lite-push")
	defer stop()
	own, err := harness.CPUTime(os.Getpid())
	if err != nil {
		return written{}, err
	}
	m, cpu, err := b.costed(func() (measure, error) {
		began := time.Now()
		errs := make([]error, len(pushers))
		var running sync.WaitGroup
		for i, p := range pushers {
			running.Go(func() { errs[i] = p.run(ctx, began.Add(d)) })
		}
		running.Wait()
		m := measure{took: time.Since(began)}
		for _, p := range pushers {
			times = append(times, p.times...)
		}
		m.requests = len(times)
		return m, errors.Join(errs...)
	})
	if err != nil {
		return written{}, err
	}
	ownAfter, err := harness.CPUTime(os.Getpid())
	if err != nil {
		return written{}, err
	}
	after, err := b.counters(ctx)
	slices.Sort(times)
	return written{
		clients:   float64((ownAfter - own).Microseconds()) / float64(m.requests),
		perSecond: m.perSecond(), syncs: float64(after.Commits-before.Commits) / m.took.Seconds(), p99: times[len(times)*99/100], cost: cpu,
	}, err
}

// litePullRow pulls the whole database, several clients at once.
func (b *bench) litePullRow(ctx context.Context) error {
	var rates, costs []float64
	for range b.rounds {
		m, cpu, err := b.costed(func() (measure, error) { return b.litePullRound(ctx) })
		if err != nil {
			return err
		}
		rates, costs = append(rates, m.perSecond()), append(costs, cpu)
	}
	rate := median(rates)
	b.add(row{
		work: fmt.Sprintf("Couchbase Lite pull by %d clients", litePullers), bar: "≥ 20 000 documents/s", pass: rate >= litePullBar,
		measured: thousands(rate) + " documents/s", ratio: rate / litePullBar,
		notes: []string{fmt.Sprintf("server CPU %.1f µs a document", median(costs))},
	})
	return nil
}

func (b *bench) litePullRound(ctx context.Context) (measure, error) {
	pulls := make([]*litePull, litePullers)
	for i := range pulls {
		p, err := b.newLitePull(ctx, &b.people[i%len(b.people)])
		if err != nil {
			return measure{}, err
		}
		defer p.conn.close()
		pulls[i] = p
	}
	b.profile(ctx, "lite-pull", 3*time.Second)
	began := time.Now()
	errs, got := make([]error, len(pulls)), make([]int, len(pulls))
	var running sync.WaitGroup
	for i, p := range pulls {
		running.Go(func() { got[i], errs[i] = p.run() })
	}
	running.Wait()
	m := measure{took: time.Since(began)}
	for _, n := range got {
		m.requests += n
	}
	return m, errors.Join(errs...)
}

// liteFleet are many continuous pulls.
type liteFleet struct {
	conns []*liteConn
	told  chan time.Time
}

// liteSocketRows measure the memory of open connections and how fast they learn of a write.
func (b *bench) liteSocketRows(ctx context.Context) error {
	if err := b.server.Restart(ctx); err != nil {
		return err
	}
	if err := b.warm(ctx); err != nil {
		return err
	}
	before, err := b.collected(ctx)
	if err != nil {
		return err
	}
	f, err := b.openLite(ctx, b.feeds)
	defer f.close()
	if err != nil {
		return err
	}
	fresh, err := b.collected(ctx)
	if err != nil {
		return err
	}
	var told []time.Duration
	for range b.rounds {
		took, err := f.change(ctx, b)
		if err != nil {
			return err
		}
		told = append(told, took)
	}
	after, err := b.collected(ctx)
	if err != nil {
		return err
	}
	n := thousands(float64(b.feeds))
	each, opened := after.less(before, b.feeds), fresh.less(before, b.feeds)
	b.add(row{
		work: n + " continuous connections of Couchbase Lite, memory growth each after every one has received a change",
		bar:  "≤ 24 KiB and the inflate window of 32 KiB", measured: fmt.Sprintf("%.1f KiB", kibibytes(each.resident)),
		pass: each.resident <= liteSocketBar,
		notes: []string{
			fmt.Sprintf("%.1f KiB before the first change", kibibytes(opened.resident)),
			fmt.Sprintf("of it in use: heap %.1f, stacks %.1f KiB", kibibytes(each.heap), kibibytes(each.stacks)),
		},
	})
	took := median(told)
	b.add(row{
		work: "one write to " + n + " connections of Couchbase Lite", bar: "all told within 1 s",
		measured: took.Round(time.Millisecond).String(), pass: took <= toldBar,
		notes: []string{"from the write's request to the last `changes` that names it"},
	})
	return nil
}

func (f *liteFleet) close() {
	if f == nil {
		return
	}
	for _, c := range f.conns {
		if c != nil {
			c.close()
		}
	}
}

// openLite opens n connections that follow changes from now on.
func (b *bench) openLite(ctx context.Context, n int) (*liteFleet, error) {
	f := &liteFleet{conns: make([]*liteConn, n), told: make(chan time.Time, n)}
	errs := make([]error, openers)
	var opening sync.WaitGroup
	for o := range openers {
		opening.Go(func() {
			for i := o; i < n && errs[o] == nil; i += openers {
				errs[o] = f.open(ctx, b, i)
			}
		})
	}
	opening.Wait()
	return f, errors.Join(errs...)
}

// open opens one connection, and returns when its feed has caught up.
func (f *liteFleet) open(ctx context.Context, b *bench, i int) error {
	caughtUp := make(chan struct{}, 1)
	c, err := b.dialLite(ctx, "notes", &b.people[i%len(b.people)], func(r *blip.Request) {
		switch {
		case r.Profile() != "changes":
		case r.NoReply:
			caughtUp <- struct{}{}
		default:
			f.told <- time.Now()
			r.Reply(&blip.Message{Body: []byte("[]")}) // it is known already
		}
	})
	if err != nil {
		return err
	}
	f.conns[i] = c
	subscribe := profile("subChanges", blip.Property{Name: "continuous", Value: "true"}, blip.Property{Name: "batch", Value: "200"},
		blip.Property{Name: "future", Value: "true"})
	if _, err := c.Call(ctx, subscribe); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	select {
	case <-caughtUp:
		return nil
	case <-c.ended:
		return fmt.Errorf("opening a connection: %w", blip.ErrClosed)
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the run's own
	}
}

// change writes a document and waits until every connection was told.
func (f *liteFleet) change(ctx context.Context, b *bench) (time.Duration, error) {
	began := time.Now()
	if err := b.putNew(); err != nil {
		return 0, err
	}
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	var last time.Time
	for told := range f.conns {
		select {
		case at := <-f.told:
			if at.After(last) {
				last = at
			}
		case <-patience.C:
			return 0, fmt.Errorf("%d of %d connections were told: %w", told, len(f.conns), context.DeadlineExceeded)
		case <-ctx.Done():
			return 0, ctx.Err() //nolint:wrapcheck // the run's own
		}
	}
	return last.Sub(began), nil
}
