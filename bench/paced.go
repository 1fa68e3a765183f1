package main

import (
	"context"
	"time"
)

// paced is drive at a rate: each worker sends its requests at times that were fixed before, or at
// once if it is late. A latency is counted from when the request was to be sent.
func paced(ctx context.Context, address string, d time.Duration, rate float64, exchanges []exchange) (measure, error) {
	n := len(exchanges)
	interval := time.Duration(float64(n) / rate * float64(time.Second))
	return work(address, exchanges, func(i int, w *worker, began time.Time) error {
		return w.pace(ctx, began.Add(interval*time.Duration(i)/time.Duration(n)), began.Add(d), interval)
	})
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
