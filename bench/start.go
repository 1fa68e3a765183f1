package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync/atomic"
	"time"
)

const (
	cleanBar = time.Second
	killBar  = 3 * time.Second
)

// startRows measure the time from the start of the process to the first document.
func (b *bench) startRows(ctx context.Context) error {
	for _, one := range []struct {
		name string
		bar  time.Duration
		end  func(ctx context.Context) error
	}{
		{"a clean stop", cleanBar, func(context.Context) error { return b.server.Stop() }},
		{"SIGKILL while 64 clients write", killBar, b.killWhileWriting},
	} {
		var all []time.Duration
		for range b.rounds {
			if err := one.end(ctx); err != nil {
				return err
			}
			took, err := b.startOnce(ctx)
			if err != nil {
				return err
			}
			all = append(all, took)
		}
		took := median(all)
		r := row{
			work: fmt.Sprintf("start on a store of %s documents after %s", thousands(float64(b.docs)), one.name),
			bar:  "≤ " + one.bar.String(), measured: took.Round(time.Millisecond).String(), pass: took <= one.bar,
		}
		if opened := storeOpened.FindAllStringSubmatch(b.server.LogTail(20_000), -1); opened != nil {
			r.notes = append(r.notes, "of the last one, "+opened[len(opened)-1][1]+" s to open the store")
		}
		b.add(r)
	}
	return nil
}

var storeOpened = regexp.MustCompile(`"store is open".*?"took":([0-9.]+)`)

func (b *bench) startOnce(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := b.server.Restart(ctx); err != nil {
		return 0, err
	}
	if _, err := b.answerSize(b.address()); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

func (b *bench) killWhileWriting(ctx context.Context) error {
	counter := new(atomic.Int64)
	counter.Store(int64(b.next))
	exchanges := make([]exchange, putConns)
	for i := range exchanges {
		exchanges[i] = &putter{
			bench: b, person: &b.people[i%len(b.people)], number: i, counter: counter,
			random: rand.New(rand.NewPCG(uint64(i), 4)),
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with an error: that the server is gone.
		_, _ = drive(ctx, b.address(), time.Minute, exchanges)
	}()
	time.Sleep(b.round)
	err := b.server.Kill()
	<-ended
	b.next = max(b.next, int(counter.Load()))
	return err
}
