package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// writersCommand makes the bench the writers beside a crowd: a process of its own. In the one that reads
// ten thousand feeds, what is written would wait for its turn behind their rows, and the latency would
// be that of the bench.
const writersCommand = "writers-beside-a-crowd"

// writersOrder is what they are told on standard input: a token has no place among arguments.
type writersOrder struct {
	Address     string
	Token       string
	Connections int
	During      time.Duration
}

// writersReport is what they found, on standard output.
type writersReport struct {
	Requests       int
	Took, P50, P99 time.Duration
}

// beWriters does what it is told.
func beWriters(ctx context.Context, in io.Reader, out io.Writer) error {
	var order writersOrder
	if err := json.NewDecoder(in).Decode(&order); err != nil {
		return fmt.Errorf("reading what to write: %w", err)
	}
	writer := &person{token: order.Token}
	exchanges := make([]exchange, order.Connections)
	for i := range exchanges {
		exchanges[i] = &roomWriter{writer: writer, number: i}
	}
	m, err := drive(ctx, order.Address, order.During, exchanges)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(writersReport{m.requests, m.took, m.p50, m.p99}); err != nil {
		return fmt.Errorf("reporting: %w", err)
	}
	return nil
}

// writersLead is how long the writers write before what they are to feel is done.
const writersLead = 300 * time.Millisecond

// crowdWrites writes documents that nobody of the crowd sees, and does what while it is at it.
func (b *bench) crowdWrites(ctx context.Context, name string, during time.Duration, what func() error) (measure, error) {
	order, err := json.Marshal(writersOrder{b.address(), b.people[0].token, crowdWrite, during})
	if err != nil {
		return measure{}, fmt.Errorf("telling the writers: %w", err)
	}
	own, err := os.Executable()
	if err != nil {
		return measure{}, fmt.Errorf("starting the writers: %w", err)
	}
	writers := exec.CommandContext(ctx, own, writersCommand)
	writers.Stdin, writers.Stderr = strings.NewReader(string(order)), os.Stderr
	b.profile(ctx, "crowd-"+name, during)
	done := make(chan error, 1)
	go func() {
		time.Sleep(writersLead)
		done <- what()
	}()
	text, err := writers.Output()
	var report writersReport
	if err = errors.Join(err, <-done, json.Unmarshal(text, &report)); err != nil {
		return measure{}, fmt.Errorf("writing beside a crowd: %w", err)
	}
	return measure{requests: report.Requests, took: report.Took, p50: report.P50, p99: report.P99}, nil
}
