package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	pullBar = 40.0  // µs of the server's CPU a document
	pushBar = 120.0 // likewise

	// pullRequests is how many requests PouchDB makes for a batch of pullBatch documents that it
	// pulls, each on a connection of its own: the changes, the documents, the database, and its
	// checkpoint read and written.
	pullRequests, pullBatch = 5, 100
)

// pouchRows measure what an unmodified PouchDB in Node costs the server.
func (b *bench) pouchRows(ctx context.Context) error {
	root, err := harness.Root()
	if err != nil {
		return err
	}
	c, err := dial(b.address())
	if err != nil {
		return err
	}
	defer c.close()
	for from := 0; from < b.pouch; from += fillBatch {
		if err := b.bulk(c, "/pulled/_bulk_docs", from, min(from+fillBatch, b.pouch)); err != nil {
			return err
		}
	}
	script := filepath.Join(root, "bench", "pouch.mjs")
	for _, one := range []struct {
		mode     string
		database func(round int) string
		bar      float64
	}{{"pull", func(int) string { return "pulled" }, pullBar}, {"push", pushedInto, pushBar}} {
		r, err := b.pouchRow(ctx, script, one.mode, one.database, one.bar)
		if errors.Is(err, harness.ErrNoTool) {
			b.say("PouchDB is left out: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
		b.add(r)
	}
	return nil
}

// pushedInto is the empty database of a round of pushing.
func pushedInto(round int) string { return fmt.Sprintf("pushed%d", round) }

// pouchRow is the median of rounds: the machine takes twice as long for the same from one minute to
// the next.
func (b *bench) pouchRow(ctx context.Context, script, mode string, database func(int) string, bar float64) (row, error) {
	var costs, floors []float64
	for round := range b.rounds {
		cost, took, err := b.pouchRound(ctx, script, mode, database(round))
		if err != nil {
			return row{}, err
		}
		costs = append(costs, cost)
		if mode == "pull" {
			floor, err := b.connectionCost(ctx, b.pouch/pullBatch*pullRequests, took)
			if err != nil {
				return row{}, err
			}
			floors = append(floors, floor/float64(b.pouch))
		}
	}
	note := fmt.Sprintf("rounds of %.0f µs", costs)
	if mode == "pull" {
		note += fmt.Sprintf("; `respond` takes %.1f µs a document (median) for as many requests and connections in the same time", median(floors))
	}
	cost := median(costs)
	return row{
		work: fmt.Sprintf("PouchDB in Node, %s documents %sed", thousands(float64(b.pouch)), mode),
		bar:  fmt.Sprintf("server CPU ≤ %.0f µs a document", bar), measured: fmt.Sprintf("%.1f µs", cost),
		ratio: cost / bar, pass: cost <= bar,
		notes: []string{note},
	}, nil
}

// pouchRound returns the server's CPU, in µs a document, and how long it took.
func (b *bench) pouchRound(ctx context.Context, script, mode, database string) (cost float64, took time.Duration, err error) {
	node, err := harness.StartScript(ctx, harness.Script{
		Path: script, Args: []string{mode},
		Env: map[string]string{
			"URL": b.server.URL + "/" + database, "TOKEN": b.people[0].token,
			"DOCS": fmt.Sprint(b.pouch), "SIZE": fmt.Sprint(bodySize), "SCRATCH": b.server.Dir,
		},
	})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = node.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err := node.Await(ctx, "ready"); err != nil {
		return 0, 0, err
	}
	before, err := harness.CPUTime(b.server.PID())
	if err != nil {
		return 0, 0, err
	}
	b.profile(ctx, "pouch-"+mode, 2*time.Second)
	began := time.Now()
	if err := node.Tell("go"); err != nil {
		return 0, 0, err
	}
	event, err := node.Await(ctx, "replicated")
	if err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	after, err := harness.CPUTime(b.server.PID())
	if err != nil {
		return 0, 0, err
	}
	var result struct{ Documents int }
	if err := event.Into(&result); err != nil {
		return 0, 0, err
	}
	if result.Documents != b.pouch {
		return 0, 0, fmt.Errorf("PouchDB replicated %d documents of %d: %w", result.Documents, b.pouch, errAnswer)
	}
	return float64((after - before).Microseconds()) / float64(b.pouch), took, nil
}

// connectionCost is the server's CPU, in µs, for requests to respond that come one after the other
// within a time, each on a connection of its own. It is what a server of Caddy's pays for PouchDB in Node
// before it does anything: on some machines that is most of the bar.
func (b *bench) connectionCost(ctx context.Context, requests int, during time.Duration) (float64, error) {
	request := []byte("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	tick := time.NewTicker(during / time.Duration(requests))
	defer tick.Stop()
	before, err := harness.CPUTime(b.server.PID())
	if err != nil {
		return 0, err
	}
	for range requests {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		c, err := dial(b.respondAddress())
		if err != nil {
			return 0, err
		}
		err = c.do(request)
		c.close()
		if err != nil {
			return 0, err
		}
	}
	after, err := harness.CPUTime(b.server.PID())
	return float64((after - before).Microseconds()), err
}
