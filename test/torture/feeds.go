package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	pageSize    = 700
	heartbeat   = time.Second
	maxFeedLine = 1 << 20
)

// errTurned ends a connection of a feed now and then, so that feeds begin again without
// a crash too.
var errTurned = errors.New("turned")

// reader keeps a follower going over any number of connections.
type reader struct {
	client   *client
	follower *follower
	// once reads until the connection ends.
	once func(ctx context.Context) error
	ends int
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.once(ctx)
		r.ends++
		switch {
		case ctx.Err() != nil:
			return
		case err == nil, errors.Is(err, errTurned):
		case errors.Is(err, errLost), errors.Is(err, errRefused):
			wait(ctx, 20*time.Millisecond)
		default:
			r.follower.checker.report(faultAnswer, "%s: %v", r.follower.name, err)
			wait(ctx, 100*time.Millisecond)
		}
	}
}

// newReader makes a reader by the feed's kind: normal, longpoll, continuous or eventsource.
func newReader(c *client, f *follower, kind string) *reader {
	r := &reader{client: c, follower: f}
	switch kind {
	case "normal", "longpoll":
		r.once = func(ctx context.Context) error { return r.page(ctx, kind) }
	default:
		r.once = func(ctx context.Context) error { return r.stream(ctx, kind) }
	}
	return r
}

// page reads a page, or waits for one.
func (r *reader) page(ctx context.Context, feed string) error {
	p, err := r.client.changes(ctx, feed, r.follower.position(), pageSize)
	if err != nil {
		return err
	}
	for _, change := range p.Results {
		r.follower.row(change.row())
	}
	r.follower.reached(uint64(p.LastSeq))
	if feed == "normal" && len(p.Results) < pageSize {
		wait(ctx, 100*time.Millisecond)
	}
	return nil
}

// stream reads rows line by line, for at most half a minute. A line that is cut off
// counts as never sent.
func (r *reader) stream(ctx context.Context, feed string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errTurned)
	defer cancel()
	path := fmt.Sprintf("/_changes?feed=%s&style=all_docs&heartbeat=%d&since=%d",
		feed, heartbeat.Milliseconds(), r.follower.position())
	res, err := r.client.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return fmt.Errorf("%w: %d", errRefused, res.StatusCode)
	default:
		return fmt.Errorf("%s feed: %s", feed, res.Status)
	}
	// A feed that is silent for long after its heartbeat is due is lost.
	silent := time.AfterFunc(20*heartbeat, cancel)
	defer silent.Stop()
	lines := bufio.NewReaderSize(res.Body, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errTurned) {
				return errTurned
			}
			return fmt.Errorf("%w: %w", errLost, err)
		}
		silent.Reset(20 * heartbeat)
		if err := r.line(feed, line); err != nil {
			return err
		}
	}
}

func (r *reader) line(feed, line string) error {
	line = strings.TrimSpace(line)
	if feed == "eventsource" {
		data, ok := strings.CutPrefix(line, "data:")
		if !ok {
			return nil // an ID, an event's name or a comment
		}
		line = strings.TrimSpace(data)
	}
	if line == "" {
		return nil
	}
	var got change
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		return fmt.Errorf("%s feed: %w: %s", feed, err, brief([]byte(line)))
	}
	if got.LastSeq != nil {
		r.follower.reached(uint64(*got.LastSeq))
		return nil
	}
	r.follower.row(got.row())
	return nil
}
