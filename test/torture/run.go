package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	database = "notes"
	// maxStart is how long a start after a crash may take before the run is given up.
	maxStart = 60 * time.Second
	// maxDrain is how long the feeds may take to come to the end when nobody writes.
	maxDrain = 2 * time.Minute
)

// config says how long and how hard.
type config struct {
	duration time.Duration
	writers  int
	shared   int // documents that all writers write
	rate     int // documents a second at most, of all writers
	between  time.Duration
	seed     uint64
	dir      string // kept if given
	settings harness.Settings
	log      io.Writer
}

// torture is one run.
type torture struct {
	config
	server  *harness.Server
	checker *checker
	random  *rand.Rand
	monitor *client
	writers []*writer
	readers []*reader
	// bystanders do what goes on beside the writes.
	bystanders []bystander
	report     report
}

// run starts a server, lets clients write and follow while it is killed again and again,
// and checks what they saw. The error is one of the run itself; what was found is in the report.
func run(ctx context.Context, c config) (*report, error) {
	// A doubling of a few minutes bounds the run, whatever hangs.
	ctx, cancel := context.WithTimeout(ctx, c.duration+c.duration/2+10*time.Minute)
	defer cancel()
	server, err := harness.Start(ctx, harness.Options{Settings: c.settings, Dir: c.dir, Ready: maxStart})
	if err != nil {
		return nil, fmt.Errorf("starting: %w", err)
	}
	t := &torture{
		config: c, server: server, checker: newChecker(), random: rand.New(rand.NewPCG(c.seed, 1)),
	}
	began := time.Now()
	err = errors.Join(t.whole(ctx), server.Close())
	t.report.took = time.Since(began)
	t.report.findings, t.report.found = t.checker.result()
	t.report.seed = c.seed
	return &t.report, err
}

func (t *torture) whole(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	writing, stopWriting := context.WithTimeout(ctx, t.duration)
	defer stopWriting()
	var writers, readers sync.WaitGroup
	for _, b := range t.bystanders {
		writers.Go(func() { stand(writing, b, t.checker) })
	}
	for _, r := range t.readers {
		readers.Go(func() { r.run(reading) })
	}
	for _, w := range t.writers {
		writers.Go(func() { w.run(writing) })
	}
	err := t.kill(writing)
	stopWriting()
	if err != nil {
		// Requests in flight end when the server does.
		_ = t.server.Kill()
	}
	writers.Wait()
	if err == nil {
		err = t.drain(ctx)
	}
	stopReading()
	readers.Wait()
	for _, w := range t.writers {
		t.report.tally.add(w.tally)
	}
	for _, r := range t.readers {
		t.report.rows += r.follower.shown()
		t.report.connections += r.ends
	}
	t.report.acked = t.checker.acked
	if err != nil {
		return fmt.Errorf("%w\n%s", err, t.server.LogTail(3000))
	}
	return t.conclude(ctx)
}

// prepare signs the clients in: every other with a session, the rest with a token.
func (t *torture) prepare(ctx context.Context) error {
	base := t.server.URL + "/" + database
	users := []string{"alice", "bob", "carol"}
	login := func(i int, name string) (*client, error) {
		token, err := t.server.Token(ctx, users[i%len(users)], url.Values{"ttl": {"12h"}})
		if err != nil {
			return nil, err
		}
		if i%2 == 0 {
			return newClient(base, name, token, ""), nil
		}
		cookie, err := signIn(ctx, base, token)
		return newClient(base, name, "", cookie), err
	}
	for i := range t.config.writers {
		name := fmt.Sprintf("writer %d", i)
		c, err := login(i, name)
		if err != nil {
			return err
		}
		t.writers = append(t.writers, &writer{
			client: c, checker: t.checker, number: i, shared: t.shared,
			pause:  time.Second * time.Duration(t.config.writers) / time.Duration(t.rate),
			random: rand.New(rand.NewPCG(t.seed, uint64(100+i))),
		})
	}
	kinds := []string{"continuous", "longpoll", "normal", "eventsource", "continuous", "longpoll"}
	for i, kind := range kinds {
		name := fmt.Sprintf("%s feed %d", kind, i)
		c, err := login(i, name)
		if err != nil {
			return err
		}
		t.readers = append(t.readers, newReader(c, t.checker.follow(name, 0), kind))
	}
	var err error
	if t.monitor, err = login(0, "monitor"); err != nil {
		return err
	}
	return t.addBystanders(ctx)
}

// kill ends the server at random moments and starts it again, until ctx ends; every few
// times it compares the feeds with the whole database.
func (t *torture) kill(ctx context.Context) error {
	// A start that was begun is seen to its end.
	whole := context.WithoutCancel(ctx)
	audited := time.Now()
	for {
		if !wait(ctx, t.between/5+time.Duration(t.random.Int64N(int64(2*t.between)))) {
			return nil
		}
		if t.random.IntN(3) == 0 {
			if err := t.reload(whole); err != nil {
				return err
			}
			continue
		}
		floor := t.checker.floor()
		if err := t.server.Kill(); err != nil {
			return err
		}
		t.report.kills++
		if err := t.start(whole); err != nil {
			return err
		}
		if err := t.look(whole, floor); err != nil {
			return err
		}
		// An audit reads the whole database: not more than a tenth of the time.
		if time.Since(audited) < max(10*t.report.auditTook, t.duration/30) {
			continue
		}
		if err := t.audit(whole); err != nil {
			return err
		}
		audited = time.Now()
		_, _ = fmt.Fprintln(t.log, t.progress())
	}
}

// reload gives the server another configuration, which differs in nothing that clients see.
func (t *torture) reload(ctx context.Context) error {
	t.report.reloads++
	settings := t.settings
	settings.Database = limits(t.report.reloads)
	if err := t.server.Rewrite(settings); err != nil {
		return err
	}
	return t.server.Reload(ctx)
}

// start starts the server; one time in four it is killed again while it starts.
func (t *torture) start(ctx context.Context) error {
	if t.random.IntN(4) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(20+t.random.IntN(600))*time.Millisecond)
		err := t.server.Restart(short)
		cancel()
		switch {
		case errors.Is(err, harness.ErrExited):
			t.checker.report(faultStart, "%v: %s", err, t.lastError())
		case err != nil && !errors.Is(err, harness.ErrNotReady):
			return err
		}
		if err := t.server.Kill(); err != nil {
			return err
		}
		t.report.kills++
		t.report.earlyKills++
	}
	began := time.Now()
	err := t.server.Restart(ctx)
	if errors.Is(err, harness.ErrExited) {
		// It goes on if it starts the second time, so that the rest is checked too.
		t.checker.report(faultStart, "%v: %s", err, t.lastError())
		err = t.server.Restart(ctx)
	}
	if err != nil {
		return err
	}
	t.report.restarts++
	t.report.slowest = max(t.report.slowest, time.Since(began))
	return nil
}

// lastError is the last error in the server's log.
func (t *torture) lastError() string {
	log := t.server.LogTail(8000)
	at := strings.LastIndex(log, `"level":"error"`)
	if at < 0 {
		return "its log has no error"
	}
	line, _, _ := strings.Cut(log[at:], "\n")
	return line
}

// look reads the database's sequence after a crash.
func (t *torture) look(ctx context.Context, floor uint64) error {
	info, err := again(ctx, func() (databaseInfo, error) { return t.monitor.info(ctx) })
	if err != nil {
		return fmt.Errorf("looking at the database after a crash: %w", err)
	}
	t.checker.current(floor, uint64(info.UpdateSeq))
	return nil
}

// again repeats what the server refuses while it comes up.
func again[T any](ctx context.Context, do func() (T, error)) (T, error) {
	deadline := time.Now().Add(maxStart)
	for {
		got, err := do()
		passing := errors.Is(err, errRefused) || errors.Is(err, errLost)
		if !passing || ctx.Err() != nil || time.Now().After(deadline) {
			return got, err
		}
		wait(ctx, 20*time.Millisecond)
	}
}

func (t *torture) audit(ctx context.Context) error {
	began := time.Now()
	at := t.checker.positions()
	p, err := again(ctx, func() (page, error) { return t.monitor.changes(ctx, "normal", 0, 0) })
	if err != nil {
		return fmt.Errorf("reading all changes: %w", err)
	}
	t.checker.audit(at, rowsOf(p))
	t.report.audits++
	t.report.auditTook = time.Since(began)
	return nil
}

func rowsOf(p page) []row {
	rows := make([]row, len(p.Results))
	for i, c := range p.Results {
		rows[i] = c.row()
	}
	return rows
}

// drain waits until every feed is at the end.
func (t *torture) drain(ctx context.Context) error {
	info, err := again(ctx, func() (databaseInfo, error) { return t.monitor.info(ctx) })
	if err != nil {
		return fmt.Errorf("reading the last sequence: %w", err)
	}
	t.checker.current(t.checker.floor(), uint64(info.UpdateSeq))
	deadline := time.Now().Add(maxDrain)
	for {
		behind := ""
		for f, at := range t.checker.positions() {
			if at < uint64(info.UpdateSeq) {
				behind = fmt.Sprintf("%s stays at %d of %d", f.name, at, info.UpdateSeq)
			}
		}
		if behind == "" {
			return nil
		}
		if time.Now().After(deadline) {
			t.checker.report(faultSkipped, "%s", behind)
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("waiting for the feeds: %w", err)
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// conclude kills the server once more, reads everything and judges it.
func (t *torture) conclude(ctx context.Context) error {
	if err := t.server.Kill(); err != nil {
		return err
	}
	t.report.kills++
	if err := t.start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := t.look(ctx, t.checker.floor()); err != nil {
		return err
	}
	s, err := t.readState(ctx)
	if err != nil {
		return fmt.Errorf("reading the end: %w", err)
	}
	t.checker.conclude(s)
	for _, b := range t.bystanders {
		b.conclude(ctx, t.checker)
		t.report.beside = append(t.report.beside, b.String())
	}
	t.report.docs, t.report.seq, t.report.judged = len(s.documents), s.seq, time.Since(began)
	return nil
}
