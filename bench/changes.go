package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	changesPage = 1000
	changesBar  = 400_000
)

// pages reads the whole feed, page after page, and calls each with the rows of one, if it
// is not nil.
func (b *bench) pages(c *conn, limit int, each func(rows []byte) error) (rows int, err error) {
	since := "0"
	for rows < limit {
		path := fmt.Sprintf("/notes/_changes?limit=%d&since=%s", changesPage, since)
		if err := c.do(append(head(nil, http.MethodGet, path), "\r\n"...)); err != nil {
			return rows, err
		}
		if c.status != http.StatusOK {
			return rows, c.unexpected()
		}
		n := bytes.Count(c.body, []byte(`{"seq":`))
		if n == 0 {
			return rows, nil
		}
		rows += n
		if each != nil {
			if err := each(c.body); err != nil {
				return rows, err
			}
		}
		at := bytes.LastIndex(c.body, []byte(`"last_seq":"`))
		if at < 0 {
			return rows, c.unexpected()
		}
		since = string(textUntil(c.body[at+len(`"last_seq":"`):], '"'))
	}
	return rows, nil
}

func textUntil(b []byte, end byte) []byte {
	before, _, _ := bytes.Cut(b, []byte{end})
	return before
}

// changesRow reads the feed in pages of 1000, one after the other on one connection.
func (b *bench) changesRow(ctx context.Context) error {
	c, err := dial(b.address())
	if err != nil {
		return err
	}
	defer c.close()
	var rates, costs []float64
	for range b.rounds {
		cpu, err := harness.CPUTime(b.server.PID())
		if err != nil {
			return err
		}
		began := time.Now()
		rows, err := b.pages(c, b.docs, nil)
		if err != nil {
			return err
		}
		took := time.Since(began)
		after, err := harness.CPUTime(b.server.PID())
		if err != nil {
			return err
		}
		rates = append(rates, float64(rows)/took.Seconds())
		costs = append(costs, float64((after-cpu).Nanoseconds())/float64(rows)/1000)
	}
	rate := median(rates)
	b.add(row{
		work: "`_changes` pages of 1000 rows", bar: "≥ 400 000 rows/s", pass: rate >= changesBar,
		measured: thousands(rate) + " rows/s", ratio: rate / changesBar,
		notes: []string{fmt.Sprintf("one connection; server CPU %.2f µs a row", median(costs))},
	})
	return ctx.Err()
}

// learnRevisions reads the revisions of the documents, for those who update them.
func (b *bench) learnRevisions() error {
	c, err := dial(b.address())
	if err != nil {
		return err
	}
	defer c.close()
	numbers := make(map[string]int, b.docs)
	for i := range b.docs {
		numbers[documentID(i)] = i
	}
	b.revs = make([]string, b.docs)
	_, err = b.pages(c, 1<<30, func(rows []byte) error {
		for {
			var found bool
			if _, rows, found = bytes.Cut(rows, []byte(`"id":"`)); !found {
				return nil
			}
			i, known := numbers[string(textUntil(rows, '"'))]
			if _, rows, found = bytes.Cut(rows, []byte(`{"rev":"`)); !found {
				return errAnswer
			}
			if known {
				b.revs[i] = string(textUntil(rows, '"'))
			}
		}
	})
	return err
}
