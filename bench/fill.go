package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	fillConns = 4
	fillBatch = 500
	memoryBar = (256 + 128) << 20
)

// fill loads the documents at a small memory and measures the memory that takes. A store
// that is full already is left as it is.
func (b *bench) fill(ctx context.Context) error {
	have, err := b.documents()
	if err != nil {
		return err
	}
	if have >= b.docs {
		b.say("the store has %d documents already", have)
		return nil
	}
	b.say("loading %d documents of 1 KB at memory %s", b.docs, loadMemory)
	empty, err := b.counters(ctx)
	if err != nil {
		return err
	}
	stop := harness.PeakAnonymous(b.server.PID())
	began := time.Now()
	batches := (b.docs + fillBatch - 1) / fillBatch
	err = each(b.address(), fillConns, batches, func(c *conn, i int) error {
		return b.bulk(c, "/notes/_bulk_docs", i*fillBatch, min((i+1)*fillBatch, b.docs))
	})
	highest := stop()
	if err != nil {
		return err
	}
	took := time.Since(began)
	r := row{
		work: fmt.Sprintf("memory while %s documents are loaded at `memory 256MiB`", thousands(float64(b.docs))),
		bar:  "anonymous RSS ≤ 384 MiB", measured: mebibytes(highest), pass: highest <= memoryBar,
	}
	r.notes = append(r.notes, fmt.Sprintf("loaded at %s documents/s by %d connections with _bulk_docs of %d",
		thousands(float64(b.docs)/took.Seconds()), fillConns, fillBatch))
	settled, err := b.collected(ctx)
	if err != nil {
		return err
	}
	disk, err := b.diskEach(ctx, empty, b.docs, "document")
	if err != nil {
		return err
	}
	r.notes = append(r.notes, disk, mebibytes(settled.resident)+" after a collection")
	b.add(r)
	return ctx.Err()
}

// bulk writes the documents from one number to another as new ones.
func (b *bench) bulk(c *conn, path string, from, to int) error {
	body := append(make([]byte, 0, (to-from)*(bodySize+40)), `{"docs":[`...)
	for i := from; i < to; i++ {
		if i > from {
			body = append(body, ',')
		}
		body = append(body, `{"_id":"`...)
		body = appendID(body, i)
		body = append(body, `",`...)
		body = append(appendMembers(body, i, bodySize-2), '}')
	}
	body = append(body, "]}"...)
	if err := c.do(withBody(head(nil, http.MethodPost, path), body)); err != nil {
		return err
	}
	if c.status != http.StatusCreated || strings.Count(string(c.body), `"rev"`) != to-from {
		return c.unexpected()
	}
	return nil
}

// documents is how many the store has.
func (b *bench) documents() (int, error) {
	c, err := dial(b.address())
	if err != nil {
		return 0, err
	}
	defer c.close()
	if err := c.do(append(head(nil, http.MethodGet, "/notes"), "\r\n"...)); err != nil {
		return 0, err
	}
	var info struct {
		DocCount int `json:"doc_count"`
	}
	if err := json.Unmarshal(c.body, &info); err != nil || c.status != http.StatusOK {
		return 0, c.unexpected()
	}
	return info.DocCount, nil
}

// settle restarts the server with the memory of the measurements, makes the people, and
// gives the respond site an answer as long as a document's.
func (b *bench) settle(ctx context.Context) error {
	b.memory = measureMemory
	b.next = b.docs + 1_000_000 // clear of what an earlier run on this store made
	if err := b.rewrite(ctx); err != nil {
		return err
	}
	if err := b.matchRespond(ctx); err != nil {
		return err
	}
	began := time.Now()
	b.people = make([]person, b.accounts)
	err := each(b.address(), 32, len(b.people), func(c *conn, i int) error {
		token, err := b.issuer.token(fmt.Sprintf("u%05d", i))
		if err != nil {
			return err
		}
		b.people[i].token = token
		return b.signInOverHTTP(c, &b.people[i])
	})
	b.say("signed %d people in, in %s", len(b.people), time.Since(began).Round(time.Millisecond))
	return err
}

// matchRespond makes the respond site's answer as many bytes as a document's.
func (b *bench) matchRespond(ctx context.Context) error {
	body := string(appendBody(nil, 0))
	for range 2 {
		b.respondBody = body
		if err := b.rewrite(ctx); err != nil {
			return err
		}
		ours, err := b.answerSize(b.address())
		if err != nil {
			return err
		}
		theirs, err := b.answerSize(b.respondAddress())
		if err != nil {
			return err
		}
		if ours == theirs {
			b.say("both sites answer a GET with %d bytes", ours)
			return nil
		}
		body += strings.Repeat(" ", max(0, ours-theirs))
	}
	return fmt.Errorf("matching the answers of both sites: %w", errAnswer)
}

func (b *bench) answerSize(address string) (int, error) {
	c, err := dial(address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	if err := c.do(append(head(nil, http.MethodGet, "/notes/"+documentID(0)), "\r\n"...)); err != nil {
		return 0, err
	}
	if c.status != http.StatusOK {
		return 0, c.unexpected()
	}
	return c.size, nil
}
