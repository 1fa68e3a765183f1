package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	feedBar     = 48 << 10
	socketBar   = 24 << 10 // no window is kept, or the bar would be that much more
	toldBar     = time.Second
	openers     = 64
	feedPatient = 3 * time.Minute
)

// feed is one open feed of a client.
type feed struct {
	bench  *bench
	person *person
	kind   string
	conn   *conn
	since  string
}

// fleet is many of them.
type fleet struct {
	feeds []*feed
	told  chan time.Time // one a feed and change
	again chan struct{}  // one a feed that waits again
	ended atomic.Bool
	lost  atomic.Int64
	wait  sync.WaitGroup
}

// feedRows measure the memory that open feeds take, and how fast they learn of a write.
func (b *bench) feedRows(ctx context.Context) error {
	n := b.feeds
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Max < uint64(n)+500 {
		n = int(limit.Max) - 500
		b.say("the limit of open files allows only %d feeds", n)
	}
	for _, kind := range []string{"longpoll", "continuous", feedSocket} {
		// A fresh process, so that what other rows left behind is not counted.
		if err := b.server.Restart(ctx); err != nil {
			return err
		}
		if err := b.warm(ctx); err != nil {
			return err
		}
		if err := b.feedRow(ctx, kind, n); err != nil {
			return err
		}
	}
	return nil
}

// warm lets every person read once, so that what the server remembers of them is not
// counted as part of their feeds.
func (b *bench) warm(ctx context.Context) error {
	err := each(b.address(), getConns, len(b.people), func(c *conn, i int) error {
		request := b.people[i].cookie(head(nil, http.MethodGet, "/notes/"+documentID(0)))
		if err := c.do(append(request, "\r\n"...)); err != nil {
			return err
		}
		if c.status != http.StatusOK {
			return c.unexpected()
		}
		return nil
	})
	return errors.Join(err, ctx.Err())
}

func (b *bench) feedRow(ctx context.Context, kind string, n int) error {
	before, err := b.collected(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	f, err := b.openFeeds(kind, n)
	if err != nil {
		return err
	}
	defer f.close()
	opening := time.Since(began)
	open, err := b.collected(ctx)
	if err != nil {
		return err
	}
	var told []time.Duration
	for range b.rounds {
		took, err := f.change(b)
		if err != nil {
			return err
		}
		told = append(told, took)
	}
	after, err := b.collected(ctx)
	if err != nil {
		return err
	}
	if err := b.profileHeap(ctx, kind); err != nil {
		return err
	}
	each, fresh := after.less(before, n), open.less(before, n)
	bar := int64(feedBar)
	if kind == feedSocket {
		bar = socketBar
	}
	b.add(row{
		work: fmt.Sprintf("%s %s feeds, memory growth each after every one has received a change", thousands(float64(n)), kind),
		bar:  fmt.Sprintf("≤ %d KiB", bar>>10), measured: fmt.Sprintf("%.1f KiB", kibibytes(each.resident)), pass: each.resident <= bar,
		notes: []string{
			fmt.Sprintf("%.1f KiB before the first change", kibibytes(fresh.resident)),
			fmt.Sprintf("of it in use: heap %.1f, stacks %.1f KiB", kibibytes(each.heap), kibibytes(each.stacks)),
			"opened in " + opening.Round(10*time.Millisecond).String(),
		},
	})
	took := median(told)
	b.add(row{
		work: fmt.Sprintf("one write to %s %s feeds", thousands(float64(n)), kind), bar: "all told within 1 s",
		measured: took.Round(time.Millisecond).String(), pass: took <= toldBar,
		notes: []string{"without channels, which come with ACCESS; from the write's request to the last row's arrival"},
	})
	return nil
}

func kibibytes(n int64) float64 { return float64(n) / 1024 }

// openFeeds opens n feeds, each of another person as far as they go round.
func (b *bench) openFeeds(kind string, n int) (*fleet, error) {
	c, err := dial(b.address())
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.do(append(head(nil, http.MethodGet, "/notes"), "\r\n"...)); err != nil {
		return nil, err
	}
	_, seq, ok := bytes.Cut(c.body, []byte(`"update_seq":"`))
	if !ok {
		return nil, c.unexpected()
	}
	since := string(textUntil(seq, '"'))
	f := &fleet{feeds: make([]*feed, n), told: make(chan time.Time, n), again: make(chan struct{}, n)}
	var opening sync.WaitGroup
	failures := make(chan error, openers)
	for o := range openers {
		opening.Go(func() {
			for i := o; i < n; i += openers {
				one := &feed{bench: b, person: &b.people[i%len(b.people)], kind: kind, since: since}
				f.feeds[i] = one
				if err := one.open(); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	opening.Wait()
	select {
	case err := <-failures:
		f.close()
		return nil, fmt.Errorf("opening feeds: %w", err)
	default:
	}
	for _, one := range f.feeds {
		f.wait.Go(func() {
			if err := one.follow(f); err != nil && !f.ended.Load() {
				f.lost.Add(1)
			}
		})
	}
	return f, nil
}

func (f *fleet) close() {
	f.ended.Store(true)
	for _, one := range f.feeds {
		if one != nil && one.conn != nil {
			one.conn.close()
		}
	}
	f.wait.Wait()
}

// change writes a document and waits until every feed has shown it and waits again.
func (f *fleet) change(b *bench) (time.Duration, error) {
	c, err := dial(b.address())
	if err != nil {
		return 0, err
	}
	defer c.close()
	b.next++
	p := b.people[0]
	request := withBody(p.cookie(head(nil, http.MethodPut, "/notes/"+documentID(b.next))), appendBody(nil, b.next))
	began := time.Now()
	if err := c.do(request); err != nil {
		return 0, err
	}
	if c.status != http.StatusCreated {
		return 0, c.unexpected()
	}
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	var last time.Time
	for told, again := 0, 0; told < len(f.feeds) || again < len(f.feeds); {
		select {
		case at := <-f.told:
			told++
			if at.After(last) {
				last = at
			}
		case <-f.again:
			again++
		case <-patience.C:
			return 0, fmt.Errorf("%d of %d feeds were told, %d lost: %w", told, len(f.feeds), f.lost.Load(), context.DeadlineExceeded)
		}
	}
	return last.Sub(began), nil
}

// open sends the feed's request and reads the first lines of the answer.
func (f *feed) open() error {
	if f.conn == nil {
		raw, err := net.DialTimeout("tcp", f.bench.address(), 10*time.Second)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		f.conn = &conn{net: raw, reader: bufio.NewReaderSize(raw, 1<<10)}
	}
	if f.kind == feedSocket {
		return f.openSocket()
	}
	path := fmt.Sprintf("/notes/_changes?feed=%s&heartbeat=60000&since=%s", f.kind, f.since)
	request := f.person.cookie(head(nil, http.MethodGet, path))
	if err := f.conn.send(append(request, "\r\n"...)); err != nil {
		return err
	}
	if err := f.conn.net.SetDeadline(time.Now().Add(feedPatient)); err != nil {
		return fmt.Errorf("opening a feed: %w", err)
	}
	chunked, _, err := f.conn.readHeader()
	if err != nil {
		return err
	}
	if f.conn.status != http.StatusOK || !chunked {
		return fmt.Errorf("%w: %d to a feed", errAnswer, f.conn.status)
	}
	return nil
}

// follow tells of each change. A longpoll asks again after it.
func (f *feed) follow(all *fleet) error {
	for {
		if f.kind == feedSocket {
			opcode, length, err := f.readFrame()
			if err != nil {
				return err
			}
			if opcode == opBinary && length > 0 { // text is a heartbeat, or tells that there is no more
				all.told <- time.Now()
				all.again <- struct{}{}
			}
			continue
		}
		if f.kind == "continuous" {
			line, err := f.conn.reader.ReadSlice('\n')
			if err != nil {
				return fmt.Errorf("reading a feed: %w", err)
			}
			if bytes.HasPrefix(line, []byte(`{"seq":`)) {
				all.told <- time.Now()
				all.again <- struct{}{}
			}
			continue
		}
		if err := f.conn.readBody(true, 0); err != nil {
			return err
		}
		all.told <- time.Now()
		_, last, ok := bytes.Cut(f.conn.body, []byte(`"last_seq":"`))
		if !ok {
			return errAnswer
		}
		f.since = string(textUntil(last, '"'))
		if err := f.open(); err != nil {
			return err
		}
		all.again <- struct{}{}
	}
}
