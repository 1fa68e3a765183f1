package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// exchange is what a worker does over and over: one request and its answer.
type exchange interface {
	// request appends the next request to b.
	request(b []byte) []byte
	// answer judges the answer that is in c.
	answer(c *conn) error
}

// measure is what a number of workers did.
type measure struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
	size     int // of the last answer, on the wire
}

func (m measure) perSecond() float64 { return float64(m.requests) / m.took.Seconds() }

// drive lets one worker for each exchange send requests, each on its own connection, for
// the given time.
func drive(ctx context.Context, address string, d time.Duration, exchanges []exchange) (measure, error) {
	return work(address, exchanges, func(_ int, w *worker, began time.Time) error { return w.run(ctx, began.Add(d)) })
}

// work lets one worker for each exchange run, each on its own connection, from the same moment on.
func work(address string, exchanges []exchange, run func(i int, w *worker, began time.Time) error) (measure, error) {
	workers := make([]*worker, len(exchanges))
	for i, e := range exchanges {
		c, err := dial(address)
		if err != nil {
			return measure{}, err
		}
		defer c.close()
		workers[i] = &worker{conn: c, exchange: e}
	}
	began := time.Now()
	var running sync.WaitGroup
	for i, w := range workers {
		running.Go(func() { w.err = run(i, w, began) })
	}
	running.Wait()
	m := measure{took: time.Since(began)}
	var all []time.Duration
	for _, w := range workers {
		if w.err != nil {
			return m, w.err
		}
		m.requests += len(w.latencies)
		m.size = w.conn.size
		all = append(all, w.latencies...)
	}
	if len(all) == 0 {
		return m, fmt.Errorf("no request was finished in %s", m.took)
	}
	slices.Sort(all)
	m.p50, m.p99 = all[len(all)/2], all[len(all)*99/100]
	return m, nil
}

type worker struct {
	conn      *conn
	exchange  exchange
	latencies []time.Duration
	err       error
}

func (w *worker) run(ctx context.Context, end time.Time) error {
	var request []byte
	for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
		request = w.exchange.request(request[:0])
		if err := w.conn.do(request); err != nil {
			return err
		}
		if err := w.exchange.answer(w.conn); err != nil {
			return err
		}
		after := time.Now()
		w.latencies = append(w.latencies, after.Sub(now))
		now = after
	}
	return nil
}

// each calls do for 0 to n-1 on a number of connections, and stops at the first error.
func each(address string, conns, n int, do func(c *conn, i int) error) error {
	var (
		running sync.WaitGroup
		next    = make(chan int)
		failed  = make(chan error, conns)
	)
	for range conns {
		c, err := dial(address)
		if err != nil {
			return err
		}
		defer c.close()
		running.Go(func() {
			var err error
			for i := range next {
				if err == nil {
					err = do(c, i)
				}
			}
			if err != nil {
				failed <- err
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// median of an odd number of values, or the upper middle of an even one.
func median[T int | int64 | uint64 | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
