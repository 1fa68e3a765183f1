package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// longpoll answers with the changes that are there, or else waits for the next.
func (f *changeFeed) longpoll(ctx context.Context) error {
	f.begin()
	if err := f.page(ctx); err != nil || f.sent > 0 {
		return err
	}
	if err := f.lease.hold(); err != nil {
		return f.refuse(err)
	}
	f.out.open()
	if err := f.out.send(); err != nil {
		return err
	}
	return f.follow(ctx)
}

// continuous shows the changes that are there and goes on with those that come. It
// serves event sources too.
func (f *changeFeed) continuous(ctx context.Context) error {
	if err := f.lease.hold(); err != nil {
		return err
	}
	f.out.open()
	f.begin()
	if err := f.out.send(); err != nil {
		return err
	}
	if err := f.page(ctx); err != nil {
		return err
	}
	if err := f.out.send(); err != nil || f.left == 0 {
		return err
	}
	return f.follow(ctx)
}

// follow waits for changes and sends them, until the feed has to end: a longpoll at the
// first, others at their limit; all when their time is over.
func (f *changeFeed) follow(ctx context.Context) error {
	f.o.descending = false // what comes can only go forward
	// A snapshot may show a commit before the counters do. Follow would take such a
	// sequence for one from the future and begin anew (DECISIONS 35); readLive leaves
	// out what has been shown.
	from := f.at
	if counted := syncstore.At(f.source.Info().Seq); from.Compare(counted) > 0 {
		from = counted
	}
	live := f.source.Follow(from, f.o.access)
	defer live.Close()
	f.out.rq.doing.sentUpTo(f.sent)
	f.out.rq.doing.atEnd()
	interval := f.o.timeout
	if f.o.heartbeat > 0 {
		interval = f.o.heartbeat
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		f.out.rest()
		beat, err := f.wait(ctx, live.Turn(), timer.C)
		if err != nil {
			return err
		}
		if !beat {
			sent, err := f.advance(ctx, live)
			if err != nil || sent && (f.o.feed == feedLongpoll || f.left == 0) {
				return err
			}
			if sent {
				timer.Reset(interval)
			}
			continue
		}
		if f.o.heartbeat == 0 {
			return nil
		}
		if err := live.Aside(func() error { return f.out.heartbeat(f.o.feed) }); err != nil {
			return err
		}
		timer.Reset(interval)
	}
}

// advance sends the changes that have come, and reports whether there were any.
func (f *changeFeed) advance(ctx context.Context, live liveChanges) (sent bool, err error) {
	before := f.sent
	if err := f.readLive(ctx, live); err != nil || f.sent == before {
		return false, err
	}
	if err := f.out.send(); err != nil {
		return false, err
	}
	f.out.rq.doing.sentUpTo(f.sent)
	return true, nil
}

// wait waits for changes, and for the turn to read them (false), or for the time of a heartbeat
// (true). It returns errFeedEnded when the feed has to end.
func (f *changeFeed) wait(ctx context.Context, ready <-chan struct{}, tick <-chan time.Time) (bool, error) {
	select {
	case <-ready:
		// When both are ready, a change must not win over the end.
		select {
		case <-f.lease.done():
			return false, errFeedEnded
		default:
			return false, nil
		}
	case <-tick:
		return true, nil
	case <-f.lease.done():
	case <-f.lease.stopping:
	case <-f.lease.gone:
	case <-ctx.Done():
		return false, fmt.Errorf("waiting for changes: %w", context.Cause(ctx))
	}
	return false, errFeedEnded
}

// readLive shows the changes that have come.
func (f *changeFeed) readLive(ctx context.Context, live liveChanges) error {
	for {
		_, err := live.Read(ctx, f.storeLimit(), func(c *syncstore.Change) error {
			if c.Cursor().Compare(f.at) <= 0 {
				return nil
			}
			return f.take(ctx, c)
		})
		switch {
		case errors.Is(err, errPieceFull), errors.Is(err, errEnough):
		case err != nil:
			return fmt.Errorf("following changes: %w", err)
		default:
			if at := live.Cursor(); at.Compare(f.at) > 0 {
				f.at = at
			}
		}
		f.complete = err == nil && f.left != 0 && !live.Behind()
		if drained := f.drain(ctx); drained != nil {
			f.complete = false
			return drained
		}
		if !errors.Is(err, errPieceFull) || f.left == 0 {
			return nil
		}
		f.scanned = 0
		if err := f.checkAndBeat(); err != nil {
			return err
		}
		if err := f.out.send(); err != nil { // before the turn: the client may not read
			return err
		}
		select {
		case <-live.Turn():
		default:
			return nil // follow waits for the turn, and for the end of the feed
		}
	}
}
