package lite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// mixed is a scenario of clients that edit the same documents: Couchbase Lite of all versions,
// and PouchDB.
type mixed struct {
	*site
	random  *rand.Rand
	ids     []string
	devices []*Device
	pouch   *pouch
	edits   int
	past    []past
}

// setting is a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// TestClientsOfAllKindsEndEqual plays LITE_SEEDS scenarios, of LITE_DOCUMENTS documents each,
// beginning with the seed LITE_SEED.
func TestClientsOfAllKindsEndEqual(t *testing.T) {
	t.Parallel()
	documents := setting(t, "LITE_DOCUMENTS", 15)
	first := setting(t, "LITE_SEED", 1)
	for seed := first; seed < first+setting(t, "LITE_SEEDS", 100); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			newMixed(t, uint64(seed), documents).play()
		})
	}
}

func newMixed(t *testing.T, seed uint64, documents int) *mixed {
	t.Helper()
	m := &mixed{site: newSite(t, func(s *site) { s.deltas = seed%2 == 0 }), random: rand.New(rand.NewPCG(seed, 0))}
	for i := range documents {
		m.ids = append(m.ids, fmt.Sprintf("doc-%03d", i))
	}
	for _, v := range everything {
		m.devices = append(m.devices, NewDevice(t, v))
	}
	m.pouch = newPouch(m.site)
	return m
}

// play edits and replicates in random order, and in the end lets all replicate in turn until
// nobody has anything new.
func (m *mixed) play() {
	for range 30 {
		who := m.random.IntN(len(m.devices) + 1)
		switch m.random.IntN(10) {
		case 0:
			m.syncTogether()
		case 1, 2, 3:
			m.sync(who)
		default:
			m.edit(who)
		}
	}
	m.settle()
	for _, d := range m.devices {
		for _, text := range append(d.Violations(), m.differences(d)...) {
			if id := regexp.MustCompile(`doc-\d+`).FindString(text); id != "" {
				m.tell(id)
			}
		}
		m.requireSame(d)
	}
	m.pouch.requireSame()
}

func (m *mixed) edit(who int) {
	for range 1 + m.random.IntN(len(m.ids)/3+1) {
		id := m.ids[m.random.IntN(len(m.ids))]
		m.edits++
		edit := m.edits
		what := m.random.IntN(10)
		if who == len(m.devices) {
			m.editPouch(id, what, edit)
			continue
		}
		c := m.devices[who].Collection(DefaultCollection)
		switch what {
		case 0:
			if doc, ok := c.Get(id); ok && !doc.Deleted {
				c.Delete(id)
			}
		case 1:
			c.SetBlob(id, "file", "application/octet-stream", noise(1+m.random.IntN(5000)))
		case 2:
			c.Put(id, fmt.Sprintf(`{"fresh":%d}`, edit))
		default:
			c.Update(id, func(body map[string]any) { m.change(body, who, edit) })
		}
	}
}

func (m *mixed) editPouch(id string, what, edit int) {
	switch what {
	case 0:
		if leaves := m.pouch.leaves(id); len(leaves) > 0 && !m.pouch.docs[id][leaves[0]].deleted {
			m.pouch.edit(id, nil, "", nil)
		}
	case 1:
		m.pouch.edit(id, func(body object) { m.change(body, 9, edit) }, "note.txt", noise(1+m.random.IntN(3000)))
	default:
		m.pouch.edit(id, func(body object) { m.change(body, 9, edit) }, "", nil)
	}
}

// change leaves a long member as it is, so that deltas are worth it.
func (m *mixed) change(body object, who, edit int) {
	body["n"] = number(edit)
	body["by"] = number(who)
	if _, ok := body["long"]; !ok {
		body["long"] = fmt.Sprintf("%0300d", edit)
	}
}

// syncTogether lets all replicate at once.
func (m *mixed) syncTogether() {
	var replications []*Replication
	for _, d := range m.devices {
		config := m.both()
		config.DropAfter = m.random.IntN(3) * m.random.IntN(4*len(m.ids))
		replications = append(replications, d.Start(config))
	}
	m.pouch.sync()
	for i, r := range replications {
		err := r.Wait()
		m.watch(m.devices[i], r)
		if r.config.DropAfter == 0 {
			require.NoError(m.t, err)
		}
	}
}

// sync replicates, and now and then loses the connection.
func (m *mixed) sync(who int) {
	if who == len(m.devices) {
		m.pouch.sync()
		return
	}
	config := m.both()
	switch m.random.IntN(5) {
	case 0:
		config.Push = false
	}
	if m.random.IntN(2) == 0 {
		config.DropAfter = 1 + m.random.IntN(4*len(m.ids))
	}
	r := m.devices[who].Start(config)
	err := r.Wait()
	m.watch(m.devices[who], r)
	if config.DropAfter == 0 {
		require.NoError(m.t, err)
	}
}

// settle replicates until nobody has anything new.
func (m *mixed) settle() {
	quiet := 0
	for range 12 {
		before := m.db.Info().Seq
		for _, d := range m.devices {
			m.watch(d, d.Sync(m.both()))
		}
		m.pouch.sync()
		if m.db.Info().Seq != before {
			quiet = -1
		}
		if quiet++; quiet == 2 { // a conflict is resolved in one round, and pushed in the next
			return
		}
	}
	require.Fail(m.t, "the clients do not come to rest")
}

// watch keeps what a replication said, and what the device then holds.
func (m *mixed) watch(d *Device, r *Replication) {
	m.past = append(m.past, past{d, r.Messages(), d.Collection(DefaultCollection).All(), r.DocumentErrors()})
}

// past is a replication that is over.
type past struct {
	device   *Device
	messages []Message
	all      map[string]Document
	errors   map[string]*Error
}

// tell logs all that was said of a document, and what each device then had.
func (m *mixed) tell(id string) {
	had := make(map[*Device]string)
	for i, p := range m.past {
		lines := About(p.messages, id)
		if has := fmt.Sprintf("has %.200s", fmt.Sprintf("%+v", p.all[id])); has != had[p.device] || p.errors[id] != nil {
			had[p.device] = has
			lines = append(lines, fmt.Sprintf("%s, error %v", has, p.errors[id]))
		}
		for _, line := range lines {
			m.t.Logf("%s of %s, replication %d: %.500s", id, p.device.version, i, line)
		}
	}
	m.t.Logf("the server's leaves are %v", m.leaves(id))
}

func (m *mixed) leaves(id string) (list []string) {
	revs, err := m.db.Default().GetRevs(m.ctx, id, nil, syncstore.GetOptions{})
	if err != nil {
		return nil
	}
	for _, r := range revs {
		list = append(list, fmt.Sprintf("%s deleted %v", r.Rev, r.Doc.Deleted))
	}
	return list
}
