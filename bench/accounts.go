package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	accountConns = 64   // that sign the crowd in
	accountDocs  = 1000 // in the store, to be read
	accountParts = 10   // of the crowd, each told apart
	tokenEvery   = 10   // one of so many keeps its token, for reading by tokens

	costConns  = 16   // while one sign-in is timed
	costRound  = 5000 // sign-ins: as many as fill a memtable
	costRounds = 5
	costBar    = 1.20

	touchedWait = 10 * time.Second
)

// accountsRows fill a store of its own with users and sessions, each by a real sign-in, and
// measure what memory that takes and whether the last one costs what the first one does.
func (b *bench) accountsRows(ctx context.Context) (err error) {
	full, err := b.beside(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, full.server.Close()) }()
	empty, err := full.counters(ctx)
	if err != nil {
		return err
	}
	stop := harness.PeakAnonymous(full.server.PID())
	notes, err := full.crowded(ctx, b.crowd)
	if err == nil {
		var cost row
		if cost, err = b.signInCost(ctx, full); err == nil {
			defer b.add(cost)
		}
	}
	highest := stop()
	if err != nil {
		return err
	}
	settled, err := full.collected(ctx)
	if err != nil {
		return err
	}
	disk, err := full.diskEach(ctx, empty, b.crowd, "user with a session")
	if err != nil {
		return err
	}
	notes = append(notes, disk, fmt.Sprintf("%s after a collection, %s of it Go's heap", mebibytes(settled.resident), mebibytes(settled.heap)))
	b.add(row{
		work: fmt.Sprintf("memory while %s users sign in, each with a session, and read, at `memory 256MiB`", thousands(float64(b.crowd))),
		bar:  "anonymous RSS ≤ 384 MiB", measured: mebibytes(highest), pass: highest <= memoryBar, notes: notes,
	})
	return nil
}

// beside is another server, on an empty store, with the same issuer.
func (b *bench) beside(ctx context.Context) (*bench, error) {
	o := &bench{options: b.options, issuer: b.issuer, memory: loadMemory, respondBody: b.respondBody}
	var err error
	if o.respondPort, err = harness.FreePort(); err != nil {
		return nil, err
	}
	if o.server, err = harness.Start(ctx, harness.Options{Settings: o.settings(), Ready: time.Minute}); err != nil {
		return nil, err
	}
	return o, each(o.address(), 1, 1, func(c *conn, _ int) error { return o.bulk(c, "/notes/_bulk_docs", 0, accountDocs) })
}

// signInOverHTTP makes a user's session, and the user with the first one.
func (b *bench) signInOverHTTP(c *conn, p *person) error {
	request := p.bearer(head(nil, http.MethodPost, "/notes/_session"))
	if err := c.do(append(request, "Content-Length: 0\r\n\r\n"...)); err != nil {
		return err
	}
	cookie, _, _ := strings.Cut(c.headerValue("Set-Cookie"), ";")
	name, value, _ := strings.Cut(cookie, "=")
	if name != "SyncGatewaySession" || value == "" {
		return c.unexpected()
	}
	p.session = value
	return nil
}

// crowded signs n new users in and reads as random ones of them. What it returns is to be
// said about it.
func (b *bench) crowded(ctx context.Context, n int) (notes []string, err error) {
	b.people = make([]person, n)
	began := time.Now()
	var costs []string
	for part := range accountParts {
		from, to := n*part/accountParts, n*(part+1)/accountParts
		partBegan := time.Now()
		if part == accountParts-1 {
			b.profile(ctx, "accounts-sign-in", b.round)
		}
		_, cost, err := b.costed(func() (measure, error) {
			return measure{requests: to - from}, b.signInPart(from, to)
		})
		if err != nil {
			return nil, err
		}
		b.say("%s of %s users signed in, %s/s, server CPU %.0f µs each", thousands(float64(to)), thousands(float64(n)),
			thousands(float64(to-from)/time.Since(partBegan).Seconds()), cost)
		costs = append(costs, fmt.Sprintf("%.0f", cost))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	took := time.Since(began)
	notes = append(notes,
		fmt.Sprintf("signed in over HTTP in %s, %s/s, by %d connections", took.Round(time.Second),
			thousands(float64(n)/took.Seconds()), accountConns),
		fmt.Sprintf("server CPU of a sign-in, compaction included, in each tenth of them: %s µs", strings.Join(costs, ", ")))
	for _, one := range []struct {
		name  string
		how   signIn
		among int
	}{
		{"cookies of a few", byCookie, min(n, b.accounts)},
		{"cookies of all", byCookie, n},
		{"tokens of many, most of them not seen for long", byBearer, n},
	} {
		note, err := b.readAs(ctx, one.how, one.among)
		if err != nil {
			return nil, fmt.Errorf("reading by %s: %w", one.name, err)
		}
		notes = append(notes, "read by "+one.name+": "+note)
	}
	return notes, nil
}

func (b *bench) signInPart(from, to int) error {
	return each(b.address(), accountConns, to-from, func(c *conn, i int) error {
		i += from
		token, err := b.issuer.token(fmt.Sprintf("u%07d", i))
		if err != nil {
			return err
		}
		p := &b.people[i]
		p.token = token
		err = b.signInOverHTTP(c, p)
		if i%tokenEvery != 0 {
			p.token = "" // a million would take more than they tell
		}
		return err
	})
}

// readAs reads documents as random ones of the first people, and fails if one of them may not.
func (b *bench) readAs(ctx context.Context, how signIn, among int) (string, error) {
	readers := &bench{options: b.options, server: b.server, people: b.people[:among]}
	if how == byBearer {
		readers.people = nil
		for i := 0; i < among; i += tokenEvery {
			readers.people = append(readers.people, b.people[i])
		}
	}
	name := fmt.Sprintf("accounts-%d-%d", how, among)
	m, cost, err := b.costed(func() (measure, error) {
		return readers.profiled(ctx, name, 3*b.round, readers.getters(accountDocs, how))
	})
	return fmt.Sprintf("%s requests/s at %.0f µs of server CPU, %s people, p99 %s", thousands(m.perSecond()), cost,
		thousands(float64(len(readers.people))), m.p99.Round(10*time.Microsecond)), err
}

// signInCost compares signing in on the full store with the same on an empty one, in turn.
func (b *bench) signInCost(ctx context.Context, full *bench) (r row, err error) {
	empty, err := b.beside(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, empty.server.Close()) }()
	// The readers' sessions are written some seconds after their use: that is not what a
	// sign-in costs.
	time.Sleep(touchedWait)
	round := min(costRound, b.crowd/20)
	cost, latency := map[*bench][]float64{}, map[*bench][]time.Duration{}
	for i := -1; i < costRounds; i++ { // the first round warms both up
		for _, side := range []*bench{empty, full} {
			us, p50, err := side.timeSignIns(ctx, b.crowd+(i+1)*round, round)
			if err != nil {
				return r, err
			}
			if i >= 0 {
				cost[side], latency[side] = append(cost[side], us), append(latency[side], p50)
			}
		}
	}
	first, last := median(cost[empty]), median(cost[full])
	soon, late := median(latency[empty]), median(latency[full])
	ratio := max(last/first, float64(late)/float64(soon))
	return row{
		work: fmt.Sprintf("signing in user %s against the first", thousands(float64(b.crowd))),
		bar:  "server CPU and latency ≤ 120 %", ratio: ratio, pass: ratio <= costBar,
		measured: fmt.Sprintf("%.0f against %.0f µs of CPU, %.1f against %.1f ms", last, first,
			float64(late.Microseconds())/1000, float64(soon.Microseconds())/1000),
		notes: []string{fmt.Sprintf("medians of %d rounds of %d sign-ins by %d connections; CPU of the rounds: last %.0f, first %.0f",
			costRounds, round, costConns, cost[full], cost[empty])},
	}, nil
}

// timeSignIns signs new users in, whose tokens are made beforehand.
func (b *bench) timeSignIns(ctx context.Context, from, n int) (us float64, p50 time.Duration, err error) {
	people := make([]person, n)
	for i := range people {
		if people[i].token, err = b.issuer.token(fmt.Sprintf("u%07d", from+i)); err != nil {
			return 0, 0, err
		}
	}
	var (
		mu        sync.Mutex
		latencies = make([]time.Duration, 0, n)
	)
	_, us, err = b.costed(func() (measure, error) {
		return measure{requests: n}, each(b.address(), costConns, n, func(c *conn, i int) error {
			began := time.Now()
			if err := b.signInOverHTTP(c, &people[i]); err != nil {
				return err
			}
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took)
			return ctx.Err()
		})
	})
	if err != nil {
		return 0, 0, err
	}
	return us, median(latencies), nil
}
