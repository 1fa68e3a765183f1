package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	device "github.com/caddysync/caddy-sync/test/lite"
	"github.com/stretchr/testify/require"
)

const (
	// mixedTurns is how often somebody edits or replicates before all come to rest, and
	// mixedHalves how often they do.
	mixedTurns, mixedHalves = 12, 2
	// mixedRounds is how often all replicate in turn, at most, until nobody has anything new.
	mixedRounds = 10
	// mixedTimeout is how long one replication may take, on a machine with other things to do.
	mixedTimeout = 90 * time.Second
)

// mixed is a scenario of clients that edit the same documents: devices of Couchbase Lite, and
// PouchDB from npm.
type mixed struct {
	t       *testing.T
	server  *harness.Server
	header  map[string]string
	random  *rand.Rand // of the plan
	order   *rand.Rand // of the rounds at the end, of which there are as many as it takes
	ids     []string
	devices []*device.Device
	script  *harness.Node
	told    int // lines to the script
	past    []past
	refused []refusal
	edits   int
	done    mixedCounts
}

// mixedCounts are what happened, to be logged.
type mixedCounts struct {
	deleted, attached, resolved int // edits
	replications, cut, pouchCut int // before all came to rest; cut: those that did not get to their end
	rounds, conflicts           int // at rest
}

// mixedEdit is an edit, as the script is told it.
type mixedEdit struct {
	ID    string `json:"id"`
	What  string `json:"what"`
	N     int    `json:"n"`
	Bytes int    `json:"bytes"`
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()

	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}

	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)

	return n
}

// Couchbase Lite 2.8, 3.2 and 4.0 and PouchDB edit the same documents offline and replicate in
// random order, with connections that break. It plays LITE_POUCH_SEEDS scenarios of
// LITE_POUCH_DOCUMENTS documents each, beginning with the seed LITE_POUCH_SEED.
func TestCouchbaseLiteAndPouchDBEndEqual(t *testing.T) {
	t.Parallel()

	documents := number(t, "LITE_POUCH_DOCUMENTS", 500)
	first := number(t, "LITE_POUCH_SEED", 1)

	for seed := first; seed < first+number(t, "LITE_POUCH_SEEDS", 2); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { // one after the other: each is four busy clients
			m := newMixed(t, seed, documents)
			began := time.Now()

			m.play()
			require.NoError(t, m.script.Tell("end"))
			finish(t, m.script)
			t.Logf("%d documents, %d edits, %+v; %s", documents, m.edits, m.done, time.Since(began).Round(time.Millisecond))
		})
	}
}

func newMixed(t *testing.T, seed, documents int) *mixed {
	t.Helper()

	server := harness.New(t, harness.Options{})
	m := &mixed{
		t: t, server: server, header: bearer(t, server, "alice"),
		random: rand.New(rand.NewPCG(uint64(seed), 0)), order: rand.New(rand.NewPCG(uint64(seed), 1)),
	}

	for i := range documents {
		m.ids = append(m.ids, fmt.Sprintf("doc-%03d", i))
	}

	for _, version := range []device.Version{device.V28, device.V32, device.V40} {
		m.devices = append(m.devices, device.NewDevice(t, version))
	}

	m.script = site{Server: server, issuer: server.Issuer}.start(t, "mixed", map[string]string{
		"ADAPTER": []string{"leveldb", "memory"}[seed%2],
	})
	event[struct{}](t, m.script, "ready")

	return m
}

// pouch is the number of PouchDB among the clients.
func (m *mixed) pouch() int { return len(m.devices) }

// tell gives the script a line, and returns the name of the event that will answer it.
func (m *mixed) tell(command string, with ...any) (answer string) {
	m.t.Helper()

	for _, w := range with {
		text, err := json.Marshal(w)
		require.NoError(m.t, err)

		command += " " + string(text)
	}

	require.NoError(m.t, m.script.Tell(command))
	m.told++

	return "answer " + strconv.Itoa(m.told)
}

// play begins with documents that all have. Then come edits of each that no other knows, and
// then it is as chance will have it, until all have replicated in turn and nobody has anything
// new; and once more, when there are conflicts to resolve.
func (m *mixed) play() {
	for who := range m.pouch() + 1 {
		m.create(who)
	}

	m.settle()

	for range mixedHalves {
		m.resolve()

		for who := range m.pouch() + 1 {
			m.edit(who)
		}

		for range mixedTurns {
			m.turn()
		}

		m.settle()
		m.judge()
	}
}

// turn lets a client edit, or replicate, or all replicate at once.
func (m *mixed) turn() {
	who := m.random.IntN(m.pouch() + 1)

	switch m.random.IntN(10) {
	case 0:
		m.replicateTogether()
	case 1, 2, 3, 4:
		m.start(who)()
	default:
		m.edit(who)
	}
}

// resolve lets PouchDB resolve half of the conflicts, as an app does that has looked at them.
func (m *mixed) resolve() {
	var edits []mixedEdit
	for _, i := range m.random.Perm(len(m.ids))[:len(m.ids)/2] {
		edits = append(edits, mixedEdit{ID: m.ids[i], What: "resolve"})
	}

	m.apply(m.pouch(), edits)
}

// create makes a client's share of most of the documents; the others are left to whoever comes
// first, or to more than one.
func (m *mixed) create(who int) {
	var edits []mixedEdit

	for i, id := range m.ids[:len(m.ids)*9/10] {
		if i%(m.pouch()+1) == who {
			m.edits++
			edits = append(edits, mixedEdit{ID: id, What: "change", N: m.edits})
		}
	}

	m.apply(who, edits)
}

// edit edits up to a third of the documents.
func (m *mixed) edit(who int) {
	var edits []mixedEdit

	for _, i := range m.random.Perm(len(m.ids))[:1+m.random.IntN(len(m.ids)/3)] {
		m.edits++
		e := mixedEdit{ID: m.ids[i], What: "change", N: m.edits}

		switch m.random.IntN(12) {
		case 0, 1:
			e.What = "delete"
		case 2, 3:
			e.What, e.Bytes = "attach", 1+m.random.IntN(5000)
		case 4:
			e.What = "fresh"
		}

		edits = append(edits, e)
	}

	m.apply(who, edits)
}

// apply makes a client's edits, offline.
func (m *mixed) apply(who int, edits []mixedEdit) {
	m.t.Helper()

	if who == m.pouch() {
		got := event[struct{ Deleted, Attached, Resolved int }](m.t, m.script, m.tell("edit", edits))
		m.done.deleted += got.Deleted
		m.done.attached += got.Attached
		m.done.resolved += got.Resolved

		return
	}

	c := m.devices[who].Collection(device.DefaultCollection)

	for _, e := range edits {
		switch e.What {
		case "delete":
			if doc, ok := c.Get(e.ID); ok && !doc.Deleted {
				c.Delete(e.ID)
				m.done.deleted++
			}
		case "attach":
			// Each with a name of its own. PouchDB 9 asks for an attachment of a losing branch
			// without saying of which revision (getDocAttachmentsFromTargetOrSource in
			// lib/index.js), and so gets the winner's, if that has one of the name.
			c.SetBlob(e.ID, fmt.Sprintf("file%d", e.N), "application/octet-stream", m.content(e.Bytes))
			m.done.attached++
		case "fresh":
			c.Put(e.ID, fmt.Sprintf(`{"fresh":%d}`, e.N))
		default:
			c.Update(e.ID, func(body map[string]any) {
				body["n"], body["by"] = e.N, who

				if _, ok := body["long"]; !ok {
					body["long"] = fmt.Sprintf("%0300d", e.N) // so that deltas are worth it
				}
			})
		}
	}
}

func (m *mixed) content(bytes int) []byte {
	content := make([]byte, bytes)
	for i := range content {
		content[i] = byte(m.random.Uint32())
	}

	return content
}

// replicateTogether lets all replicate at once.
func (m *mixed) replicateTogether() {
	var waits []func()
	for who := range m.pouch() + 1 {
		waits = append(waits, m.start(who))
	}

	for _, wait := range waits {
		wait()
	}
}

// start lets a client replicate, in one direction or both, and now and then loses its
// connection. wait waits for the end.
func (m *mixed) start(who int) (wait func()) {
	directions := []string{"sync", "sync", "sync", "push", "pull"}
	direction := directions[m.random.IntN(len(directions))]
	cut := m.random.IntN(2) == 0
	m.done.replications++

	if who == m.pouch() {
		return m.startPouch(direction, cut)
	}

	config := m.config()
	config.Push, config.Pull = direction != "pull", direction != "push"

	if cut {
		config.DropAfter = 1 + m.random.IntN(len(m.ids)/3)
	}

	r := m.devices[who].Start(config)

	return func() {
		m.t.Helper()

		err := r.Wait()
		m.past = append(m.past, past{m.devices[who].Version(), r.Messages()})

		if !cut {
			require.NoError(m.t, err, m.devices[who].Version())
		}

		if err != nil {
			m.done.cut++
		}

		for id, failure := range r.DocumentErrors() {
			// 409: to be settled, which the next synchronisation does. A device that takes no other
			// revision in the place of one (blip.md 3.7) is told 404 of one that was overtaken by a
			// branch that it does not know yet, and gets what overtook it by a row of its own.
			overtaken := failure.Code == 404 && direction != "push" && m.devices[who].Version() == device.V28
			if direction == "push" {
				m.refused = append(m.refused, refusal{who, id})
			}

			require.True(m.t, failure.Code == 409 || overtaken, "%s: %s: %v", m.devices[who].Version(), id, failure)
		}
	}
}

func (m *mixed) startPouch(direction string, cut bool) (wait func()) {
	answer := ""

	if cut {
		how := []string{"cancel", "request", "answer"}[m.random.IntN(3)]
		after := 1 + m.random.IntN(map[string]int{"cancel": 3, "request": 20, "answer": 20}[how])
		answer = m.tell("cut", map[string]any{"direction": direction, "how": how, "after": after})
	} else {
		answer = m.tell(direction)
	}

	return func() {
		m.t.Helper()

		if event[struct{ Cut bool }](m.t, m.script, answer).Cut {
			m.done.pouchCut++
		}
	}
}

// config is a replication of a device in both directions.
func (m *mixed) config() device.Config {
	return device.Config{
		URL:  strings.Replace(m.server.URL, "http://", "ws://", 1) + "/notes",
		Push: true, Pull: true, Header: headers(m.header), Timeout: mixedTimeout,
	}
}

// settle replicates in random order until nobody has anything new.
func (m *mixed) settle() {
	m.t.Helper()
	m.saveAgain()

	quiet := 0

	for range mixedRounds {
		m.done.rounds++
		before := m.sequence()
		written := 0

		for _, who := range m.order.Perm(m.pouch() + 1) {
			if who == m.pouch() {
				written = event[struct{ Written int }](m.t, m.script, m.tell("sync")).Written
			} else {
				m.past = append(m.past, past{m.devices[who].Version(), m.devices[who].Sync(m.config()).Messages()})
			}
		}

		if quiet++; m.sequence() != before || written > 0 {
			quiet = 0
		}

		if quiet == 2 { // a device resolves a conflict in one round, and pushes in the next
			return
		}
	}

	require.FailNow(m.t, "the clients do not come to rest")
}

// refusal is a document that a device could not push.
type refusal struct {
	who int
	id  string
}

// saveAgain is what an app does that is told that a document was refused by a replication that
// only pushes: Couchbase Lite does not push it again by itself, not even when a pull has shown
// that the server's revision is one of its own, whose acknowledgement was lost (blip.md 3.9).
func (m *mixed) saveAgain() {
	m.t.Helper()

	for _, r := range m.refused {
		m.edits++
		m.apply(r.who, []mixedEdit{{ID: r.id, What: "change", N: m.edits}})
	}

	m.refused = nil
}

func (m *mixed) sequence() string {
	m.t.Helper()

	var info struct {
		Seq json.RawMessage `json:"update_seq"`
	}

	got := ask(m.t, m.server, request{url: "/notes/", header: m.header})
	require.NoError(m.t, json.Unmarshal([]byte(got.body), &info), got.body)
	require.NotEmpty(m.t, info.Seq)

	return string(info.Seq)
}
