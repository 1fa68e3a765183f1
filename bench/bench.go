package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

// options say how much is measured.
type options struct {
	docs     int           // in the store
	hot      int           // of them, for the rows of few documents
	accounts int           // users, each with a session and a token
	crowd    int           // users of the row of accounts, each with a session
	feeds    int           // open at once
	pouch    int           // documents that PouchDB replicates
	round    time.Duration // of a measurement that is repeated
	rounds   int
	put      time.Duration // of writing, all rounds together
	rows     string        // which, by the letters of their names; "" all
	dir      string        // kept; "" a temporary one
	profiles string        // folder for CPU profiles of the server; "" none
	log      io.Writer
}

// bench is a run: one server on one store, filled once, and what is measured on it.
type bench struct {
	options
	server      *harness.Server
	issuer      *issuer
	respondPort int
	respondBody string
	memory      string // of the store, as the Caddyfile has it
	people      []person
	revs        []string // of the documents, by number
	next        int      // the number of the next new document
	fresh       atomic.Int64
	table       []row
}

// person is a user with a session and a token.
type person struct{ token, session string }

const (
	loadMemory    = "256MiB"
	measureMemory = "1GiB"
)

// run measures all rows that were asked for and prints the table. What was measured before
// an error is printed too.
func run(ctx context.Context, o options) error {
	b := &bench{options: o, memory: loadMemory, respondBody: "not yet"}
	err := b.whole(ctx)
	printTable(o.log, b.table)
	if b.server != nil {
		if err != nil {
			_, _ = fmt.Fprintln(o.log, b.server.LogTail(2000))
		}
		err = errors.Join(err, b.server.Close())
	}
	if b.issuer != nil {
		b.issuer.close()
	}
	if o.dir == "" && b.server != nil {
		err = errors.Join(err, os.RemoveAll(b.server.Dir))
	}
	return err
}

func (b *bench) whole(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"load", b.fill}, // with the row of memory
		{"", b.settle},
		{"get", b.getRows},
		{"signin", b.signInRow},
		{"changes", b.changesRow},
		{"put", b.putRows},
		{"bulk", b.bulkRow},
		{"start", b.startRows},
		{"backup", b.backupRows},
		{"feeds", b.feedRows},
		{"pouch", b.pouchRows},
		{"lite-push", b.litePushRow},
		{"lite-pull", b.litePullRow},
		{"lite-sockets", b.liteSocketRows},
		{"lite-blob", b.liteAttachmentRow},
		{"access", b.accessRows},
		{"views", b.viewRows},
		{"accounts", b.accountsRows},
	} {
		if !b.wants(step.name) {
			continue
		}
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if step.name != "" {
			b.say("%s took %s", step.name, time.Since(began).Round(100*time.Millisecond))
		}
	}
	return nil
}

// wants reports whether a step was asked for; the store must be filled for any but those that
// have one of their own.
func (b *bench) wants(step string) bool {
	if b.rows == "" {
		return true
	}
	wanted := strings.Split(b.rows, ",")
	if step == "" || step == "load" {
		return slices.ContainsFunc(wanted, func(row string) bool { return row != "accounts" && row != "access" && row != "views" })
	}
	return slices.Contains(wanted, step)
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.log, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

func (b *bench) add(r row) {
	b.table = append(b.table, r)
	b.say("%s: %s (%s) %s", r.work, r.measured, r.bar, r.verdict())
}

// start starts the server on an empty store, or on the one that is in the folder.
func (b *bench) start(ctx context.Context) error {
	var err error
	remembered := ""
	if b.dir != "" {
		if err := os.MkdirAll(b.dir, 0o700); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		remembered = filepath.Join(b.dir, "issuer")
	}
	if b.issuer, err = startIssuer(remembered); err != nil {
		return err
	}
	if b.respondPort, err = harness.FreePort(); err != nil {
		return err
	}
	folder := b.dir
	if folder == "" {
		if folder, err = os.MkdirTemp("", "caddy-sync-bench-"); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	b.server, err = harness.Start(ctx, harness.Options{Settings: b.settings(), Dir: folder, Ready: time.Minute})
	return err
}

// unlimited lets a few connections do what many users would.
const unlimited = "limits {\nuser_requests off\nuser_feeds off\n}"

// settings are the Caddyfile: the sync site with the databases, and beside it a site that
// answers what a document's answer looks like.
func (b *bench) settings() harness.Settings {
	replicated := []string{"pulled"}
	for round := range b.rounds {
		replicated = append(replicated, pushedInto(round))
	}
	var databases strings.Builder
	for _, name := range replicated {
		fmt.Fprintf(&databases, "database %s {\noidc bench\naccess shared\nguest\n%s\n}\n", name, unlimited)
	}
	return harness.Settings{
		NoIDP:     true,
		Store:     "memory " + b.memory + "\nmin_free 64MiB",
		Sync:      fmt.Sprintf("oidc bench {\nissuer %s\nclient_id %s\nusername_claim sub\nregister\n}\n", b.issuer.url, clientID) + databases.String(),
		Database:  "oidc bench\naccess shared\nguest\nsession {\nlifetime 12h\n}\nlimits {\nattachment 2GiB\nuser_requests off\nuser_feeds off\n}",
		Databases: "notes " + strings.Join(replicated, " "),
		Extra: fmt.Sprintf("http://localhost:%d {\nbind 127.0.0.1\nheader Content-Type application/json\nrespond `%s`\n}\n",
			b.respondPort, b.respondBody),
	}
}

// rewrite puts changed settings to use by a restart.
func (b *bench) rewrite(ctx context.Context) error {
	if err := b.server.Rewrite(b.settings()); err != nil {
		return err
	}
	return b.server.Restart(ctx)
}

func (b *bench) address() string { return fmt.Sprintf("127.0.0.1:%d", b.server.Port) }

func (b *bench) respondAddress() string { return fmt.Sprintf("127.0.0.1:%d", b.respondPort) }

// head appends the first lines of a request. Caddy tells the sites apart by their ports.
func head(to []byte, method, path string) []byte {
	to = append(append(append(to, method...), ' '), path...)
	return append(to, " HTTP/1.1\r\nHost: localhost\r\n"...)
}

func (p person) bearer(b []byte) []byte {
	return append(append(append(b, "Authorization: Bearer "...), p.token...), "\r\n"...)
}

func (p person) cookie(b []byte) []byte {
	return append(append(append(b, "Cookie: SyncGatewaySession="...), p.session...), "\r\n"...)
}

// withBody appends a JSON body and the headers it needs.
func withBody(b, body []byte) []byte {
	b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
	b = append(append(b, fmt.Sprint(len(body))...), "\r\n\r\n"...)
	return append(b, body...)
}

// counters are what the server says of its store.
type counters struct {
	Commits, Writes uint64
	DiskBytes       int64 `json:"disk_bytes"`
}

func (b *bench) counters(ctx context.Context) (counters, error) {
	var stats struct {
		Stores []counters `json:"stores"`
	}
	text, err := b.control(ctx, "/sync/stats")
	if err != nil {
		return counters{}, err
	}
	if err := json.Unmarshal(text, &stats); err != nil || len(stats.Stores) != 1 {
		return counters{}, fmt.Errorf("reading the store's counters: %w: %.200s", errAnswer, text)
	}
	return stats.Stores[0], nil
}

// diskEach tells how many bytes of the disk the store takes more than before, for each of n things.
func (b *bench) diskEach(ctx context.Context, before counters, n int, what string) (string, error) {
	now, err := b.counters(ctx)
	return fmt.Sprintf("the store's files: %s, %s bytes a %s", mebibytes(now.DiskBytes), thousands(float64(now.DiskBytes-before.DiskBytes)/float64(n)), what), err
}

// control asks Caddy's admin endpoint.
func (b *bench) control(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.server.ControlURL+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking Caddy: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking Caddy: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("asking Caddy for %s: %s", path, res.Status), err)
	}
	return text, nil
}

// profiled measures with drive, and saves a CPU profile of the server if they are wanted.
func (b *bench) profiled(ctx context.Context, name string, d time.Duration, exchanges []exchange) (measure, error) {
	b.profile(ctx, name, d)
	return drive(ctx, b.address(), d, exchanges)
}

// profile saves a CPU profile of the server from now on, if they are wanted.
func (b *bench) profile(ctx context.Context, name string, d time.Duration) {
	if b.profiles == "" {
		return
	}
	seconds := max(1, int(d.Seconds()))
	go func() {
		text, err := b.control(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
		if err == nil {
			err = os.WriteFile(filepath.Join(b.profiles, name+".pprof"), text, 0o600)
		}
		if err != nil {
			b.say("no profile of %s: %v", name, err)
		}
	}()
}

// profileHeap saves a profile of what the server has in use, if profiles are wanted.
func (b *bench) profileHeap(ctx context.Context, name string) error {
	if b.profiles == "" {
		return nil
	}
	text, err := b.control(ctx, "/debug/pprof/heap?gc=1")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.profiles, name+"-heap.pprof"), text, 0o600); err != nil {
		return fmt.Errorf("saving a profile: %w", err)
	}
	return nil
}

// profileOwn saves a CPU profile of the bench itself until stop, if profiles are wanted.
func (b *bench) profileOwn(name string) (stop func()) {
	if b.profiles == "" {
		return func() {}
	}
	file, err := os.Create(filepath.Join(b.profiles, name+"-clients.pprof"))
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		b.say("no profile of the clients of %s: %v", name, err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // a profile that is cut short is seen when it is read
	}
}

// memory is what a server takes.
type memory struct {
	resident int64 // anonymous
	heap     int64 // of it in use by Go's heap
	stacks   int64 // and by stacks
}

func (m memory) less(before memory, n int) memory {
	return memory{
		(m.resident - before.resident) / int64(n), (m.heap - before.heap) / int64(n), (m.stacks - before.stacks) / int64(n),
	}
}

// collected is the server's memory after a collection of its garbage.
func (b *bench) collected(ctx context.Context) (memory, error) {
	var m memory
	for range 2 { // what finalizers free goes with the second
		text, err := b.control(ctx, "/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			return m, err
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "# HeapInuse = "); ok {
				_, _ = fmt.Sscan(rest, &m.heap) // 0 if it is none
			}
			if rest, ok := strings.CutPrefix(line, "# Stack = "); ok {
				_, _ = fmt.Sscan(rest, &m.stacks)
			}
		}
	}
	time.Sleep(2 * time.Second) // for the scavenger, which gives memory back
	var err error
	m.resident, err = harness.Anonymous(b.server.PID())
	return m, err
}

// copyStore copies the stopped server's store, holes and all.
func (b *bench) copyStore(ctx context.Context, to string) error {
	out, err := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", b.server.Store, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copying the store: %w: %s", err, out)
	}
	return nil
}
