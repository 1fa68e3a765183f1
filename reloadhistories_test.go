package caddysync

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// reloadDatabase is a database of a configuration.
type reloadDatabase struct {
	guest bool
	// refuses is which numbers the sync function refuses, by their rest of 3; -1: there is none, and everybody sees
	// everything. What a function has judged, guests see; what was written without one, they see without one only.
	refuses int
}

// reloadConfig is a configuration of a history.
type reloadConfig struct {
	store     int
	databases map[string]reloadDatabase
	// rest is what `*` says, nil if there is none.
	rest *reloadDatabase
}

// of is the database's policy. It is nil for one that the configuration does not know.
func (c *reloadConfig) of(name string) *reloadDatabase {
	if d, ok := c.databases[name]; ok {
		return &d
	}
	return c.rest
}

// period is when a configuration may have answered.
type period struct {
	config      *reloadConfig
	began, over time.Time // zero: it is not over
}

// failedLoad is when a configuration was loaded that failed; it may be loading.
type failedLoad struct{ from, to time.Time }

// reloads is a server that gets random configurations while clients write and read.
type reloads struct {
	*testSite
	rng       *rand.Rand
	functions []string
	stores    []string
	taken     string // an address that is in use

	mu      sync.Mutex
	periods []period
	failed  []failedLoad
	written []reloadWrite
}

// reloadWrite is a write that a client knows the answer of.
type reloadWrite struct {
	database, id string
	n            int
	from, to     time.Time
	status       int
}

var reloadNames = []string{followed, "bees", "cats"}

// followed is the database that somebody follows.
const followed = "ants"

func (r *reloads) database() reloadDatabase {
	return reloadDatabase{guest: r.rng.IntN(4) > 0, refuses: r.rng.IntN(4) - 1}
}

// config makes one up that differs from the last one in something.
func (r *reloads) config(last *reloadConfig) *reloadConfig {
	next := &reloadConfig{store: last.store, databases: map[string]reloadDatabase{}, rest: last.rest}
	defer func() {
		// Who comes to see everything by another policy has to be told of what was there before by a resync, which the
		// follower does not wait for.
		if d, ok := next.databases[followed]; ok {
			next.databases[followed] = reloadDatabase{guest: d.guest, refuses: -1}
		} else if next.rest != nil {
			next.rest = &reloadDatabase{guest: next.rest.guest, refuses: -1}
		}
	}()
	maps.Copy(next.databases, last.databases)
	name := reloadNames[r.rng.IntN(len(reloadNames))]
	switch n := r.rng.IntN(10); {
	case n < 4:
		next.databases[name] = r.database()
	case n < 6 && len(next.databases) > 1:
		delete(next.databases, name)
	case n < 8 && next.rest == nil:
		d := r.database()
		next.rest = &d
	case n < 8:
		next.rest = nil
	case n < 9:
		next.store = r.rng.IntN(len(r.stores))
	}
	return next
}

func (r *reloads) caddyfileOf(c *reloadConfig, fault string) string {
	var text strings.Builder
	listed := slices.Clone(reloadNames[:0])
	for _, name := range reloadNames {
		if d, ok := c.databases[name]; ok {
			r.writeDatabase(&text, name, d)
			listed = append(listed, name)
		}
	}
	if c.rest != nil {
		r.writeDatabase(&text, anyDatabase, *c.rest)
		listed = []string{anyDatabase}
	}
	address := "http://" + r.addr
	switch fault {
	case "provider":
		text.WriteString("oidc broken {\n issuer http://example.com\n client_id x\n}\n")
	case "port":
		address += ", http://" + r.taken
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	sync {
		store badger %s
		stream_close_delay %dms
		%s
	}
}
%s {
	bind 127.0.0.1
	handle_path /admin/* {
		sync * {
			admin {
				allow loopback
			}
		}
	}
	sync %s
	respond "next" 404
}
`, r.stores[c.store], r.rng.IntN(300), text.String(), address, strings.Join(listed, " "))
}

func (r *reloads) writeDatabase(text *strings.Builder, name string, d reloadDatabase) {
	fmt.Fprintf(text, "database %s {\n", name)
	if d.guest {
		text.WriteString("guest\n")
	}
	if d.refuses < 0 {
		text.WriteString("access shared\n")
	} else {
		fmt.Fprintf(text, "sync_function %s\n", r.functions[d.refuses])
	}
	text.WriteString("}\n")
}

// turn loads a configuration that can be loaded or one that cannot.
func (r *reloads) turn() {
	last := r.periods[len(r.periods)-1].config
	next := r.config(last)
	if r.rng.IntN(4) == 0 {
		fault := []string{"provider", "port"}[r.rng.IntN(2)]
		config := adapt(r.t, r.caddyfileOf(next, fault))
		r.mu.Lock()
		r.failed = append(r.failed, failedLoad{from: time.Now()})
		r.mu.Unlock()
		require.Error(r.t, r.load(config), fault)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failed[len(r.failed)-1].to = time.Now()
		return
	}
	r.enter(next)
}

func (r *reloads) enter(next *reloadConfig) {
	text := r.caddyfileOf(next, "")
	r.mu.Lock()
	r.periods = append(r.periods, period{config: next, began: time.Now()})
	r.mu.Unlock()
	require.NoError(r.t, r.load(adapt(r.t, text)), text)
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.periods); n > 1 {
		r.periods[n-2].over = time.Now()
	}
}

// between are the configurations that may have had a part in the answer of a request.
func (r *reloads) between(from, to time.Time) (all []*reloadConfig) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.periods {
		if p.began.Before(to) && (p.over.IsZero() || p.over.After(from)) {
			all = append(all, p.config)
		}
	}
	return all
}

// comesAgain reports whether a request may have been told to come again: a configuration that failed had taken it, or
// one whose store is closed by now.
func (r *reloads) comesAgain(status int, from, to time.Time) bool {
	configs := r.between(from, to)
	if status == http.StatusServiceUnavailable && slices.ContainsFunc(configs, func(c *reloadConfig) bool { return c.store != configs[0].store }) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return status == http.StatusServiceUnavailable && slices.ContainsFunc(r.failed, func(f failedLoad) bool {
		return f.from.Before(to) && (f.to.IsZero() || f.to.After(from))
	})
}

// statusesOfWrite are the answers that may be. The site is that of one configuration; sign-in and policy are those of the
// newest, each when it is asked.
func statusesOfWrite(database string, n int, configs []*reloadConfig) map[int]bool {
	may := map[int]bool{}
	for _, c := range configs {
		switch d := c.of(database); {
		case d == nil: // or it is there by the site, and the policy says that it is there no more
			may[http.StatusNotFound], may[http.StatusServiceUnavailable] = true, true
		case !d.guest:
			may[http.StatusUnauthorized] = true
		}
		if d := c.of(database); d != nil && d.refuses == n%3 {
			may[http.StatusForbidden] = true
		} else if d != nil {
			may[http.StatusCreated] = true
		}
	}
	if !slices.ContainsFunc(configs, func(c *reloadConfig) bool { d := c.of(database); return d != nil && d.guest }) {
		delete(may, http.StatusCreated)
		delete(may, http.StatusForbidden)
	}
	if len(configs) == 1 {
		delete(may, http.StatusServiceUnavailable)
	}
	return may
}

// client writes until stop is closed.
func (r *reloads) client(rng *rand.Rand, name string, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		w := reloadWrite{database: reloadNames[rng.IntN(len(reloadNames))], id: fmt.Sprint(name, n), n: n, from: time.Now()}
		var text string
		w.status, text = r.requestOften(http.MethodPut, "/"+w.database+"/"+w.id, fmt.Sprintf(`{"n":%d}`, n), 50)
		w.to = time.Now()
		if took := w.to.Sub(w.from); w.status == http.StatusServiceUnavailable && took >= readyLimit {
			r.t.Errorf("PUT %s/%s was answered %d after %s", w.database, w.id, w.status, took)
		}
		configs := r.between(w.from, w.to)
		// A database that * covers is there only when somebody has made it.
		missing := w.status == http.StatusNotFound && slices.ContainsFunc(configs, func(c *reloadConfig) bool { return c.rest != nil })
		if !missing && !r.comesAgain(w.status, w.from, w.to) && !statusesOfWrite(w.database, n, configs)[w.status] {
			r.t.Errorf("PUT %s/%s: %d %s; %s", w.database, w.id, w.status, text, describeConfigs(configs))
		}
		r.mu.Lock()
		r.written = append(r.written, w)
		r.mu.Unlock()
	}
}

func describeConfigs(configs []*reloadConfig) string {
	var all []string
	for _, c := range configs {
		all = append(all, fmt.Sprintf("store %d %+v rest %+v", c.store, c.databases, c.rest))
	}
	return strings.Join(all, " | ")
}

// administrator makes databases and deletes them.
func (r *reloads) administrator(rng *rand.Rand, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		from := time.Now()
		name := fmt.Sprint("made", rng.IntN(3))
		method, want := http.MethodPut, http.StatusCreated
		if rng.IntN(2) == 0 {
			method, want = http.MethodDelete, http.StatusOK
		}
		status, text, err := r.once(method, "/admin/"+name, "")
		if err != nil {
			continue // whether it arrived is not known
		}
		to := time.Now()
		may := []int{want, http.StatusPreconditionFailed, http.StatusNotFound}
		if !slices.Contains(may, status) && !r.comesAgain(status, from, to) {
			r.t.Errorf("%s %s: %d %s; %s", method, name, status, text, describeConfigs(r.between(from, to)))
		}
	}
}

// follower follows a database by longpolls, and says what it has seen.
func (r *reloads) follower(database string, stop <-chan struct{}) (since string, seen map[string]bool) {
	since, seen = "0", map[string]bool{}
	for {
		select {
		case <-stop:
			return since, seen
		default:
		}
		from := time.Now()
		status, text, err := r.once(http.MethodGet, "/"+database+"/_changes?feed=longpoll&timeout=500&since="+url.QueryEscape(since), "")
		if err != nil || status != http.StatusOK {
			if status >= 500 && !r.comesAgain(status, from, time.Now()) {
				r.t.Errorf("_changes of %s: %d %s", database, status, text)
			}
			continue
		}
		since = r.rows(text, seen)
	}
}

func (r *reloads) rows(text string, seen map[string]bool) (last string) {
	var page struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
		LastSeq json.RawMessage `json:"last_seq"`
	}
	require.NoError(r.t, json.Unmarshal([]byte(text), &page), text)
	for _, row := range page.Results {
		seen[row.ID] = true
	}
	return strings.Trim(string(page.LastSeq), `"`)
}

// open lets everybody see everything of a store.
func (r *reloads) open(store int) {
	all := reloadDatabase{guest: true, refuses: -1}
	next := &reloadConfig{store: store, databases: map[string]reloadDatabase{}}
	for _, name := range reloadNames {
		next.databases[name] = all
	}
	r.enter(next)
}

// there is what a database has.
func (r *reloads) there(database string) map[string]bool {
	status, text := r.request(http.MethodGet, "/"+database+"/_changes", "")
	require.Equal(r.t, http.StatusOK, status, text)
	seen := map[string]bool{}
	r.rows(text, seen)
	return seen
}

// check compares what the stores have with what clients were answered.
func (r *reloads) check(has []map[string]map[string]bool) {
	for _, w := range r.written {
		if w.status == notAnswered {
			continue
		}
		var may []int
		for _, c := range r.between(w.from, w.to) {
			may = append(may, c.store)
		}
		in := 0
		for store := range r.stores {
			if has[store][w.database][w.id] {
				in++
				require.Contains(r.t, may, store, "%s/%s is in the other store", w.database, w.id)
			}
		}
		want := 0
		if w.status == http.StatusCreated {
			want = 1
		}
		require.Equal(r.t, want, in, "%s/%s was answered %d, and is in %d stores", w.database, w.id, w.status, in)
	}
}

// Random configurations are loaded one after the other, some of which fail, while clients write and an administrator makes
// databases and deletes them: databases come and go, guests are let in and shut out, functions refuse other things, and
// the store is another one. Every answer is that of a configuration that was in force, what was answered with 201 is
// there in the end, what was refused is not, and who follows a feed has missed nothing. HISTORIES says how many are played.
func TestDecision17_RandomReloadsLoseNothingAndShowNothing(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	for seed := range histories.Count(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playReloads(t, seed, taken.Addr().String()) })
	}
}

func playReloads(t *testing.T, seed uint64, taken string) {
	t.Helper()
	dir := t.TempDir()
	r := &reloads{testSite: newTestSite(t), rng: rand.New(rand.NewPCG(seed, 0)), taken: taken}
	for n := range 3 {
		file := filepath.Join(dir, fmt.Sprint("refuses", n, ".js"))
		writeFunction(t, file, fmt.Sprintf(`function (doc, oldDoc) { if (doc.n %% 3 === %d) throw({forbidden: "no"}); channel("!"); }`, n))
		r.functions = append(r.functions, file)
	}
	for n := range 1 + seed%2 {
		r.stores = append(r.stores, filepath.Join(dir, fmt.Sprint("store", n)))
	}
	for store := range r.stores {
		r.open(store)
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for n := range 3 {
		group.Go(func() { r.client(rand.New(rand.NewPCG(seed, uint64(1+n))), fmt.Sprint("c", n, "-"), stop) })
	}
	for n := range 2 {
		group.Go(func() { r.device(rand.New(rand.NewPCG(seed, uint64(4+n))), fmt.Sprint("d", n, "-"), stop) })
	}
	group.Go(func() { r.administrator(rand.New(rand.NewPCG(seed, 9)), stop) })
	follows := len(r.stores) == 1
	defer group.Wait() // also when a turn fails
	ended := sync.OnceFunc(func() { close(stop) })
	defer ended()
	var since string
	var seen map[string]bool
	if follows {
		group.Go(func() { since, seen = r.follower(followed, stop) })
	}
	for range 30 {
		r.turn()
		time.Sleep(time.Duration(r.rng.IntN(20)) * time.Millisecond)
	}
	ended()
	group.Wait()
	has := make([]map[string]map[string]bool, len(r.stores))
	for store := range r.stores {
		r.open(store)
		has[store] = map[string]map[string]bool{}
		for _, name := range reloadNames {
			has[store][name] = r.there(name)
		}
	}
	r.check(has)
	if follows {
		status, text := r.request(http.MethodGet, "/"+followed+"/_changes?since="+url.QueryEscape(since), "")
		require.Equal(t, http.StatusOK, status, text)
		r.rows(text, seen)
		require.Equal(t, has[0][followed], seen, "who follows the feed")
	}
	answers := map[int]int{}
	for _, w := range r.written {
		answers[w.status]++
	}
	t.Log(answers)
}
