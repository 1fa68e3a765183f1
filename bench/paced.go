package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// paced is drive at a rate: each worker sends its requests at times that were fixed before, or at
// once if it is late. A latency is counted from when the request was to be sent.
func paced(ctx context.Context, address string, d time.Duration, rate float64, exchanges []exchange) (measure, error) {
	workers := make([]*worker, len(exchanges))
	for i, e := range exchanges {
		c, err := dial(address)
		if err != nil {
			return measure{}, err
		}
		defer c.close()
		workers[i] = &worker{conn: c, exchange: e}
	}
	interval := time.Duration(float64(len(workers)) / rate * float64(time.Second))
	began := time.Now()
	var running sync.WaitGroup
	for i, w := range workers {
		first := began.Add(interval * time.Duration(i) / time.Duration(len(workers)))
		running.Go(func() { w.err = w.pace(ctx, first, began.Add(d), interval) })
	}
	running.Wait()
	m := measure{took: time.Since(began)}
	var all []time.Duration
	for _, w := range workers {
		if w.err != nil {
			return m, w.err
		}
		m.requests += len(w.latencies)
		all = append(all, w.latencies...)
	}
	if len(all) == 0 {
		return m, errAnswer
	}
	slices.Sort(all)
	m.p50, m.p99 = all[len(all)/2], all[len(all)*99/100]
	return m, nil
}

func (w *worker) pace(ctx context.Context, next, end time.Time, interval time.Duration) error {
	var request []byte
	for ; next.Before(end) && ctx.Err() == nil; next = next.Add(interval) {
		time.Sleep(time.Until(next))
		request = w.exchange.request(request[:0])
		if err := w.conn.do(request); err != nil {
			return err
		}
		if err := w.exchange.answer(w.conn); err != nil {
			return err
		}
		w.latencies = append(w.latencies, time.Since(next))
	}
	return nil
}
