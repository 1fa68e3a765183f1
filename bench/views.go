package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	viewDocs  = 100_000
	viewBuild = 30_000 // documents/s
	lookupBar = 1.5
	yieldBar  = 1.10
)

// viewRows measure views, on a server of their own with no more documents than the bars say.
func (b *bench) viewRows(ctx context.Context) (err error) {
	o := &bench{options: b.options, issuer: b.issuer, memory: measureMemory, respondBody: b.respondBody}
	o.docs = min(b.docs, viewDocs)
	o.next = o.docs
	if o.respondPort, err = harness.FreePort(); err != nil {
		return err
	}
	settings := o.settings()
	settings.Database += "\nuser_views *"
	if o.server, err = harness.Start(ctx, harness.Options{Settings: settings, Ready: time.Minute}); err != nil {
		return err
	}
	defer func() {
		b.table = append(b.table, o.table...)
		if err != nil {
			_, _ = fmt.Fprintln(o.log, o.server.LogTail(2000))
		}
		err = errors.Join(err, o.server.Close())
	}()
	batches := (o.docs + fillBatch - 1) / fillBatch
	err = each(o.address(), fillConns, batches, func(c *conn, i int) error {
		return o.bulk(c, "/notes/_bulk_docs", i*fillBatch, min((i+1)*fillBatch, o.docs))
	})
	if err == nil {
		err = o.viewPeople()
	}
	for _, row := range []func(context.Context) error{o.buildRow, o.lookupRow, o.yieldRow} {
		if err == nil {
			err = row(ctx)
		}
	}
	return err
}

// viewPeople signs some people in.
func (b *bench) viewPeople() error {
	b.people = make([]person, putConns)
	return each(b.address(), 8, len(b.people), func(c *conn, i int) error {
		token, err := b.issuer.token(fmt.Sprintf("v%03d", i))
		if err != nil {
			return err
		}
		b.people[i].token = token
		return b.signInOverHTTP(c, &b.people[i])
	})
}

// admin asks the administrator's site.
func (b *bench) admin(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.server.AdminURL+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking an administrator's site: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking an administrator's site: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		return nil, errors.Join(fmt.Errorf("%s %s: %w: %s %.200s", method, path, errAnswer, res.Status, text), err)
	}
	return text, nil
}

// newView writes a design document whose view is another one each time, and drops the index of the
// one before.
func (b *bench) newView(ctx context.Context) error {
	rev := ""
	if text, err := b.admin(ctx, http.MethodGet, "/notes/_design/bench", ""); err == nil {
		_, found, _ := bytes.Cut(text, []byte(`"_rev":"`))
		rev = fmt.Sprintf(`"_rev":%q,`, textUntil(found, '"'))
	}
	body := fmt.Sprintf(`{%s"views":{"n":{"map":"function (doc) { if (doc.n !== undefined) emit(doc.n, null) } // %d"}}}`, rev, time.Now().UnixNano())
	if _, err := b.admin(ctx, http.MethodPut, "/notes/_design/bench", body); err != nil {
		return err
	}
	_, err := b.admin(ctx, http.MethodPost, "/notes/_view_cleanup", "{}")
	return err
}

// buildRow builds the index of a view whose function looks at a member and makes a row.
func (b *bench) buildRow(ctx context.Context) error {
	var rates, costs []float64
	for range b.rounds {
		if err := b.newView(ctx); err != nil {
			return err
		}
		b.profile(ctx, "view-build", 3*time.Second)
		cpu, err := harness.CPUTime(b.server.PID())
		if err != nil {
			return err
		}
		began := time.Now()
		text, err := b.admin(ctx, http.MethodGet, "/notes/_design/bench/_view/n?limit=1", "")
		if err != nil {
			return err
		}
		took := time.Since(began)
		after, err := harness.CPUTime(b.server.PID())
		if err != nil {
			return err
		}
		if !bytes.Contains(text, fmt.Appendf(nil, `"total_rows":%d,`, b.docs)) {
			return fmt.Errorf("building a view: %w: %.200s", errAnswer, text)
		}
		rates = append(rates, float64(b.docs)/took.Seconds())
		costs = append(costs, float64((after-cpu).Microseconds())/float64(b.docs))
	}
	rate := median(rates)
	b.add(row{
		work: fmt.Sprintf("building a simple view over %s documents of 1 KB", thousands(float64(b.docs))), bar: "≥ 30 000 documents/s",
		measured: thousands(rate) + " documents/s", ratio: rate / viewBuild, pass: rate >= viewBuild,
		notes: []string{fmt.Sprintf("server CPU %.1f µs a document", median(costs))},
	})
	return nil
}

// looker looks for a random key in a view.
type looker struct {
	bench  *bench
	person *person
	random *rand.Rand
}

func (l *looker) request(b []byte) []byte {
	b = fmt.Appendf(b, "GET /notes/_design/bench/_view/n?key=%d HTTP/1.1\r\nHost: localhost\r\n", l.random.IntN(l.bench.docs))
	return append(l.person.cookie(b), "\r\n"...)
}

func (*looker) answer(c *conn) error {
	if c.status != http.StatusOK || bytes.Count(c.body, []byte(`{"id":`)) != 1 {
		return c.unexpected()
	}
	return nil
}

// lookupRow compares looking for a key with reading a document, in turn.
func (b *bench) lookupRow(ctx context.Context) error {
	lookers := make([]exchange, getConns)
	for i := range lookers {
		lookers[i] = &looker{b, &b.people[i], rand.New(rand.NewPCG(uint64(i), 5))}
	}
	getters := b.getters(b.docs, byCookie)
	var found, read, cost, readCost []float64
	for round := range b.rounds + 1 {
		m, cpu, err := b.costed(func() (measure, error) { return b.profiled(ctx, "view-lookup", b.round, lookers) })
		if err != nil {
			return err
		}
		g, getCPU, err := b.costed(func() (measure, error) { return drive(ctx, b.address(), b.round, getters) })
		if err != nil {
			return err
		}
		if round > 0 { // the first fills the caches
			found, read = append(found, m.perSecond()), append(read, g.perSecond())
			cost, readCost = append(cost, cpu), append(readCost, getCPU)
		}
	}
	ratio := median(read) / median(found)
	b.add(row{
		work: fmt.Sprintf("looking for a key in a view of %s rows, %d connections", thousands(float64(b.docs)), getConns),
		bar:  "within 1.5 times of a GET", ratio: ratio, pass: ratio <= lookupBar,
		measured: fmt.Sprintf("%s against %s requests/s", thousands(median(found)), thousands(median(read))),
		notes:    []string{fmt.Sprintf("server CPU %.1f µs against %.1f µs a request", median(cost), median(readCost))},
	})
	return nil
}

// putters write new documents.
func (b *bench) putters(counter *atomic.Int64) []exchange {
	all := make([]exchange, putConns)
	for i := range all {
		all[i] = &putter{bench: b, person: &b.people[i], counter: counter, number: i}
	}
	return all
}

// yieldRow writes at half of what the server takes, with and without an index that is built
// meanwhile.
func (b *bench) yieldRow(ctx context.Context) error {
	counter := new(atomic.Int64)
	counter.Store(int64(b.next))
	full, err := drive(ctx, b.address(), b.round, b.putters(counter))
	if err != nil {
		return err
	}
	rate := full.perSecond() / 2
	slice := b.round / 5
	plain := func() (measure, error) { return paced(ctx, b.address(), slice, rate, b.putters(counter)) }
	var with, without, tails, plainTails []time.Duration
	var built, kept []float64
	// Many short slices, each of the two first in turn: what the machine does otherwise is in both.
	for n := range 20 * b.rounds {
		if err := b.newView(ctx); err != nil {
			return err
		}
		var m, busy measure
		var indexed float64
		for first := range 2 {
			if (n+first)%2 == 0 {
				m, err = plain()
			} else {
				indexed, busy, err = b.whileBuilding(ctx, plain)
			}
			if err == nil && first == 0 {
				err = b.newView(ctx) // which ends the building
			}
			if err != nil {
				return err
			}
		}
		without, plainTails = append(without, m.p50), append(plainTails, m.p99)
		with, tails = append(with, busy.p50), append(tails, busy.p99)
		built, kept = append(built, indexed), append(kept, busy.perSecond()/rate)
	}
	ratio := float64(median(with)) / float64(median(without))
	b.add(row{
		work: fmt.Sprintf("PUT at half load (%s documents/s, %d writers) while an index is built", thousands(rate), putConns),
		bar:  "writes slow down by ≤ 10 %", ratio: ratio, pass: ratio <= yieldBar,
		measured: fmt.Sprintf("%s against %s", median(with).Round(10*time.Microsecond), median(without).Round(10*time.Microsecond)),
		notes: []string{
			fmt.Sprintf("medians; p99 %s against %s", median(tails).Round(10*time.Microsecond), median(plainTails).Round(10*time.Microsecond)),
			fmt.Sprintf("%.0f %% of the writes that were to be made were", 100*median(kept)),
			fmt.Sprintf("the index took in %s documents/s meanwhile", thousands(median(built))),
		},
	})
	return nil
}

// whileBuilding measures while the index is built, and tells how many documents a second it took in.
func (b *bench) whileBuilding(ctx context.Context, do func() (measure, error)) (float64, measure, error) {
	asking, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = b.admin(asking, http.MethodGet, "/notes/_design/bench/_view/n?limit=1", "") // it may not be done in time
	}()
	began := time.Now()
	m, err := do()
	took := time.Since(began)
	if err == nil {
		var text []byte
		var info struct {
			Index struct {
				Seq float64 `json:"update_seq"`
			} `json:"view_index"`
		}
		if text, err = b.admin(ctx, http.MethodGet, "/notes/_design/bench/_info", ""); err == nil {
			err = json.Unmarshal(text, &info)
		}
		stop()
		<-over
		return info.Index.Seq / took.Seconds(), m, err
	}
	stop()
	<-over
	return 0, m, err
}
