package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	device "github.com/caddysync/caddy-sync/test/lite"
	"github.com/stretchr/testify/require"
)

const (
	// accessWriters change documents, users and roles at once, each so many times.
	accessWriters, accessChanges = 3, 80
	// accessCutEvery is after how many changes a connection of Couchbase Lite is lost, and
	// accessTurnEvery after how many the sync function becomes another one.
	accessCutEvery, accessTurnEvery = 20, 70
)

// turnedSync puts documents into the channels that they name, moved on by so many.
func turnedSync(by int) string {
	return fmt.Sprintf(`function (doc) {
	channel((doc.channels || []).map((name) => 'abcd'['abcd'.indexOf(name) + %d] || 'abcd'['abcd'.indexOf(name) + %d] || name))
	for (const [who, what] of doc.gives || []) what.startsWith('role:') ? role(who, what) : access(who, what)
}
`, by, by-4)
}

// accessChange is a scenario of clients that follow a database in which everything changes that
// decides what they may see.
type accessChange struct {
	t       *testing.T
	server  *harness.Server
	random  *rand.Rand
	sync    string // path of the sync function
	users   map[string]map[string]string
	feeds   []*followedFeed
	devices []accessDevice
}

type accessDevice struct {
	user   string
	device *device.Device
	keeper *device.Keeper
}

// TestClientsEndWithWhatTheirUsersMaySee plays ACCESS_SEEDS scenarios, from ACCESS_SEED on: when
// everything has come to rest, each client has just the documents that its user may read.
func TestClientsEndWithWhatTheirUsersMaySee(t *testing.T) {
	t.Parallel()

	first := number(t, "ACCESS_SEED", 1)
	for seed := first; seed < first+number(t, "ACCESS_SEEDS", 1); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { newAccessChange(t, uint64(seed)).play() })
	}
}

func newAccessChange(t *testing.T, seed uint64) *accessChange {
	t.Helper()

	a := &accessChange{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), users: make(map[string]map[string]string),
		sync: filepath.Join(t.TempDir(), "sync.js"),
	}
	a.turn(0)
	a.server = harness.New(t, harness.Options{Settings: harness.Settings{
		Provider: "username_claim sub\nregister", Database: "sync_function " + a.sync,
	}})

	for _, user := range []string{"alice", "bob", "carol"} {
		a.users[user] = bearer(t, a.server, user)
		require.Equal(t, http.StatusOK, ask(t, a.server, request{url: "/notes/", header: a.users[user]}).status)

		for n, kind := range append(feedKinds[:2:2], "normal", "longpoll", "normal") {
			a.feeds = append(a.feeds, &followedFeed{
				server: a.server, user: user, header: a.users[user], kind: kind, pages: n > 2,
				random: rand.New(rand.NewPCG(seed, uint64(len(a.feeds)+10))), docs: make(map[string]string),
			})
		}

		for _, version := range []device.Version{device.V32, device.V40} {
			d := device.NewDevice(t, version)
			keeper := d.Keep(device.Config{
				URL: strings.Replace(a.server.URL, "http://", "ws://", 1) + "/notes", Pull: true, Header: headers(a.users[user]),
			})
			t.Cleanup(func() { _ = keeper.Stop() })

			a.devices = append(a.devices, accessDevice{user, d, keeper})
		}
	}

	return a
}

func (a *accessChange) turn(by int) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(a.sync, []byte(turnedSync(by)), 0o600))
}

// play changes everything while the clients follow, and then waits until they have what they may see.
func (a *accessChange) play() {
	ctx, cancel := context.WithCancel(a.t.Context())
	defer cancel()

	var followers, writers sync.WaitGroup
	for _, f := range a.feeds {
		followers.Go(func() { f.follow(ctx) })
	}

	changed := make(chan struct{}, accessWriters*accessChanges)

	for n := range accessWriters {
		random := rand.New(rand.NewPCG(a.random.Uint64(), uint64(n)))

		writers.Go(func() {
			for range accessChanges {
				a.change(random)
				changed <- struct{}{}
			}
		})
	}

	for n := range accessWriters * accessChanges {
		<-changed

		if n%accessCutEvery == 0 {
			a.cut()
		}

		if n%accessTurnEvery == 0 {
			a.turn(a.random.IntN(4))
			a.reload(n)
			a.resync()
		}
	}

	writers.Wait()
	a.resync()
	a.await()
	cancel()
	followers.Wait()

	for _, f := range a.feeds {
		require.Empty(a.t, f.failures)
	}

	for _, d := range a.devices {
		require.NoError(a.t, d.keeper.Stop())
		require.Empty(a.t, d.device.Violations())
	}
}

// reload puts another configuration to use, with the sync function as it is now. Caddy does nothing
// for the same one.
func (a *accessChange) reload(n int) {
	a.t.Helper()

	site := fmt.Sprintf("\nhttp://localhost:%d {\nbind 127.0.0.1\nrespond %d\n}\n", freePort(a.t), 200+n)
	require.NoError(a.t, a.server.Load(a.t.Context(), a.server.Caddyfile()+site))
}

// resync judges all documents again, and waits for the end.
func (a *accessChange) resync() {
	a.t.Helper()

	started := a.admin(http.MethodPost, "/notes/_resync", "")
	require.Equal(a.t, http.StatusOK, started.status, started.body)
	eventually(a.t, 20*time.Second, func() bool {
		return strings.Contains(a.admin(http.MethodGet, "/notes/_resync", "").body, `"completed"`)
	})
}

// cut loses the connection of one device.
func (a *accessChange) cut() {
	if r := a.devices[a.random.IntN(len(a.devices))].keeper.Current(); r != nil {
		r.Drop()
	}
}

// admin asks again when a reload took the connection (DECISIONS 40). The answer is empty if there was none.
func (a *accessChange) admin(method, path, body string) (got reply) {
	for range 10 {
		var err error
		if got, err = try(a.t, a.server, request{method: method, url: a.server.AdminURL + path, body: body}); err == nil {
			break
		}
	}

	return got
}

// change writes, deletes or branches a document, or gives a user or a role something else.
func (a *accessChange) change(random *rand.Rand) {
	channels, roles, users := []string{"a", "b", "c", "d"}, []string{"red", "blue"}, []string{"alice", "bob", "carol"}
	one := func(of []string) string { return of[random.IntN(len(of))] }
	some := func(of []string, most int) []string {
		list := []string{}
		for range random.IntN(most + 1) {
			list = append(list, one(of))
		}

		return list
	}

	switch n := random.IntN(20); {
	case n < 12:
		a.write(random, fmt.Sprintf("d%02d", random.IntN(15)), map[string]any{
			"channels": some(append(channels, "!"), 2), "n": random.IntN(1000),
			"gives": [][]string{{one(append(users, "role:red")), one(append(channels, "role:blue"))}}[:random.IntN(2)],
		})
	case n < 16:
		a.put("/notes/_user/"+one(users), map[string]any{"admin_channels": some(channels, 2), "admin_roles": some(roles, 1)})
	case n < 17:
		a.admin(http.MethodDelete, "/notes/_role/"+one(roles), "")
	default:
		given := some(channels, 2)
		if random.IntN(8) == 0 {
			given = append(given, "*")
		}

		a.put("/notes/_role/"+one(roles), map[string]any{"admin_channels": given})
	}
}

func (a *accessChange) write(random *rand.Rand, id string, doc map[string]any) {
	var now struct {
		Rev string `json:"_rev"`
	}

	_ = json.Unmarshal([]byte(a.admin(http.MethodGet, "/notes/"+id, "").body), &now)
	query := ""

	switch n := random.IntN(8); {
	case n == 0:
		doc["_rev"], query = fmt.Sprintf("1-%032x", random.Uint64()), "?new_edits=false"
	case n == 1 && now.Rev != "":
		doc = map[string]any{"_rev": now.Rev, "_deleted": true}
	case now.Rev != "":
		doc["_rev"] = now.Rev
	}

	a.put("/notes/"+id+query, doc)
}

func (a *accessChange) put(path string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}

	a.admin(http.MethodPut, path, string(text)) // 409 if another one was first
}

// await waits until each client has what its user can read.
func (a *accessChange) await() {
	a.t.Helper()

	want := make(map[string]map[string]string)

	for user, header := range a.users {
		var all struct {
			Rows []struct {
				ID    string               `json:"id"`
				Value struct{ Rev string } `json:"value"`
			} `json:"rows"`
		}

		require.NoError(a.t, json.Unmarshal([]byte(ask(a.t, a.server, request{url: "/notes/_all_docs", header: header}).body), &all))

		want[user] = make(map[string]string)
		for _, row := range all.Rows {
			want[user][row.ID] = row.Value.Rev
		}
	}

	different := func() (said []string) {
		for _, f := range a.feeds {
			if has := f.has(); !maps.Equal(has, want[f.user]) {
				said = append(said, fmt.Sprintf("%s feed of %s\nhas  %v\nwant %v", f.kind, f.user, has, want[f.user]))
			}
		}

		for _, d := range a.devices {
			has := slices.Sorted(maps.Keys(d.documents()))
			if !slices.Equal(has, slices.Sorted(maps.Keys(want[d.user]))) {
				said = append(said, fmt.Sprintf("Couchbase Lite %s of %s\nhas  %v\nwant %v", d.device.Version(), d.user, has, want[d.user]))
			}
		}

		return said
	}

	for deadline := time.Now().Add(20 * time.Second); len(different()) > 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}

	require.Empty(a.t, different())
}

// documents are those that an app on the device sees.
func (d accessDevice) documents() map[string]device.Document {
	all := d.device.Collection(device.DefaultCollection).All()
	maps.DeleteFunc(all, func(_ string, doc device.Document) bool { return doc.Deleted })

	return all
}

// followedFeed is a client of _changes that asks for revocations, loses its connection now and then
// and goes on where it was.
type followedFeed struct {
	server     *harness.Server
	user, kind string
	header     map[string]string
	pages      bool // asks for a few rows at a time
	random     *rand.Rand
	since      string
	failures   []string

	mu   sync.Mutex
	docs map[string]string // ID → revision
}

// feedLine is a row, or the end.
type feedLine struct {
	ID      string                 `json:"id"`
	Seq     any                    `json:"seq"`
	LastSeq any                    `json:"last_seq"`
	Deleted bool                   `json:"deleted"`
	Revoked bool                   `json:"revoked"`
	Removed []string               `json:"removed"`
	Changes []struct{ Rev string } `json:"changes"`
}

func (f *followedFeed) has() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()

	return maps.Clone(f.docs)
}

func (f *followedFeed) follow(ctx context.Context) {
	for ctx.Err() == nil {
		f.ask(ctx)

		if f.kind == "normal" {
			time.Sleep(time.Duration(f.random.IntN(50)) * time.Millisecond) // it polls
		}
	}
}

// ask reads one answer, or a part of it.
func (f *followedFeed) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(200+f.random.IntN(2000))*time.Millisecond)
	defer cancel()

	url := f.server.URL + "/notes/_changes?revocations=true&heartbeat=5000&feed=" + f.kind + "&since=" + f.since
	if f.pages {
		url += fmt.Sprint("&limit=", 1+f.random.IntN(4))
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}

	req.Header = headers(f.header)

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // time is over, or a reload took the connection (DECISIONS 40)
	}

	defer func() { _ = res.Body.Close() }()

	if res.StatusCode != http.StatusOK {
		f.failures = append(f.failures, res.Status)
	}

	rows := 1 + f.random.IntN(20)

	for lines := bufio.NewScanner(res.Body); rows > 0 && lines.Scan(); {
		if f.take(lines.Text()) {
			rows--
		}
	}
}

// take takes a line up, and reports whether it is a row.
func (f *followedFeed) take(text string) bool {
	text = strings.TrimSuffix(text, ",")
	if strings.HasPrefix(text, `"last_seq"`) {
		text = "{" + text
	}

	var line feedLine

	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()

	switch err := decoder.Decode(&line); {
	case err != nil || line.ID == "" && line.LastSeq == nil:
		return false // the frame of an answer, a heartbeat, or half a line
	case line.ID == "":
		f.since = fmt.Sprint(line.LastSeq)
		return false
	}

	f.since = fmt.Sprint(line.Seq)

	f.mu.Lock()
	defer f.mu.Unlock()

	if line.Deleted || line.Revoked || line.Removed != nil {
		delete(f.docs, line.ID)
	} else {
		f.docs[line.ID] = line.Changes[0].Rev
	}

	return true
}
