package syncstore

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// keptModel is a store beside what it has to keep, and for how long: bodies, attachments, documents that
// expire, and tombstones.
type keptModel struct {
	*fixture
	rng         *rand.Rand
	collections []*Collection
	docs        []map[string]*keptDoc // by collection
	retention   Retention
	// uploads are contents that no document names yet, with the time until which they have to be there.
	uploads []keptUpload
	// looks are when it was looked for tombstones.
	looks []time.Time
	n     int
	log   []string
}

type keptDoc struct {
	revs    map[string]*keptRev
	changed time.Time
	// dues are when it is looked whether bodies of revisions go, of those that were purged too.
	dues map[string][]time.Time
}

type keptRev struct {
	parent      string
	deleted     bool
	body        string
	attachments map[string]Content
	expires     time.Time
	// until is how long the body of a superseded revision has to be there, and then it goes; zero of a leaf.
	until time.Time
	// doubtful: it may go before.
	doubtful bool
	gone     bool // the body was dropped
}

type keptUpload struct {
	content Content
	until   time.Time
}

func newKeptModel(t *testing.T, seed uint64) *keptModel {
	t.Helper()
	m := &keptModel{fixture: newFixture(t), rng: rand.New(rand.NewPCG(seed, 7))}
	m.retention = Retention{OldBodies: []time.Duration{time.Minute, 90 * time.Minute, day}[m.rng.IntN(3)], Tombstones: 3 * day}
	m.docs = []map[string]*keptDoc{{}, {}}
	_, err := m.db.OpenCollection(t.Context(), "_default", "items")
	require.NoError(t, err)
	m.attach()
	return m
}

// attach takes the collections of the store that is open. What was uploaded before may be gone when it is
// looked for next: the requests that were to name it are gone too.
func (m *keptModel) attach() {
	for i := range m.uploads {
		m.uploads[i].until = time.Time{}
	}
	m.db.SetRetention(m.retention)
	items, ok := m.db.Collection("_default", "items")
	require.True(m.t, ok)
	m.collections = []*Collection{m.Collection, items}
}

func (m *keptModel) note(format string, args ...any) {
	m.log = append(m.log, m.clock.Now().UTC().Format("02 15:04 ")+fmt.Sprintf(format, args...))
}

func (m *keptModel) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\n%s", append(args, strings.Join(m.log, "\n"))...)
}

// ranked are the leaves, the winner first.
func (d *keptDoc) ranked() []string {
	inner, deleted := make(map[string]bool), make(map[string]bool)
	for rev, r := range d.revs {
		inner[r.parent], deleted[rev] = true, r.deleted
	}
	var leaves []string
	for rev := range d.revs {
		if !inner[rev] {
			leaves = append(leaves, rev)
		}
	}
	rankLeaves(leaves, deleted)
	return leaves
}

// add takes up a revision that was written.
func (m *keptModel) add(d *keptDoc, rev string, r *keptRev) {
	d.revs[rev], d.changed = r, m.clock.Now()
	if parent := d.revs[r.parent]; parent != nil && parent.until.IsZero() {
		m.supersede(d, r.parent)
	}
}

func (m *keptModel) supersede(d *keptDoc, rev string) {
	d.dues[rev] = append(d.dues[rev], m.clock.Now().Add(m.retention.OldBodies))
	// It may have been superseded before, and purged, and have come again.
	d.revs[rev].until = slices.MinFunc(d.dues[rev], time.Time.Compare)
}

// drop takes up that old bodies of before some time are dropped.
func (m *keptModel) drop(before time.Time) {
	for c := range m.docs {
		for _, d := range m.docs[c] {
			for _, r := range d.revs {
				r.gone = r.gone || !r.until.IsZero() && r.until.Before(before)
			}
			for rev, all := range d.dues {
				d.dues[rev] = slices.DeleteFunc(all, func(at time.Time) bool { return at.Before(before) })
			}
		}
	}
}

func (m *keptModel) doc(c int, id string) *keptDoc {
	d := m.docs[c][id]
	if d == nil {
		d = &keptDoc{revs: map[string]*keptRev{}, dues: map[string][]time.Time{}}
		m.docs[c][id] = d
	}
	return d
}

// newContent uploads something, at times what is there already.
func (m *keptModel) newContent() Content {
	text := fmt.Sprint("content ", m.rng.IntN(20))
	if m.rng.IntN(60) == 0 {
		text = strings.Repeat(text, chunkSize/5)
	}
	return m.upload([]byte(text))
}

// attachments chooses what an edit attaches, and reports whether the write has to be taken and may be.
func (m *keptModel) attachments(d *keptDoc) (edits []AttachmentEdit, have map[string]Content, must, may bool) {
	have, must, may = map[string]Content{}, true, true
	for _, name := range []string{"x", "y"} {
		switch m.rng.IntN(4) {
		case 0:
			c := m.newContent()
			edits, have[name] = append(edits, AttachmentEdit{Name: name, Content: c}), c
		case 1: // a stub of any revision
			for _, rev := range slices.Sorted(maps.Keys(d.revs)) {
				c, ok := d.revs[rev].attachments[name]
				if !ok || m.rng.IntN(2) == 0 {
					continue
				}
				edits, have[name] = append(edits, AttachmentEdit{Name: name, Stub: true, Digest: c.MD5Digest()}), c
				known, doubtful := false, false
				for _, r := range d.revs {
					if r.attachments[name] == c {
						known = known || !r.gone && (r.until.IsZero() || m.clock.Now().Before(r.until) && !r.doubtful)
						doubtful = doubtful || !r.gone
					}
				}
				must, may = must && known, may && doubtful
				break
			}
		case 2: // what was uploaded before
			if len(m.uploads) > 0 {
				u := m.uploads[m.rng.IntN(len(m.uploads))]
				edits, have[name] = append(edits, AttachmentEdit{Name: name, Content: u.content}), u.content
				must = must && m.clock.Now().Before(u.until)
			}
		}
	}
	return edits, have, must, may
}

// write writes a revision: of a leaf, or with a history of its own.
func (m *keptModel) write(c int, id string) {
	d := m.doc(c, id)
	m.n++
	r := &keptRev{body: fmt.Sprintf(`{"n":%d}`, m.n), deleted: m.rng.IntN(4) == 0}
	e := Edit{ID: id, Body: []byte(r.body), Deleted: r.deleted}
	if m.rng.IntN(3) == 0 {
		r.expires = m.clock.Now().Add(time.Duration(m.rng.IntN(300)-5) * time.Minute).Truncate(time.Second)
		e.Expires = r.expires
	}
	leaves := d.ranked()
	what := "edit"
	if len(leaves) > 0 && m.rng.IntN(2) > 0 {
		r.parent = leaves[m.rng.IntN(len(leaves))]
		e.Parent, _ = ParseRev(r.parent)
	} else if len(leaves) > 0 || m.rng.IntN(2) == 0 {
		what = "push"
		digest := []string{"aa", "bb", "cc"}[m.rng.IntN(3)] // few: some come again after a purge
		e.History = []Rev{{1, digest}}
		if revs := slices.Sorted(maps.Keys(d.revs)); len(revs) > 0 && m.rng.IntN(2) == 0 {
			r.parent = revs[m.rng.IntN(len(revs))]
			parent, _ := ParseRev(r.parent)
			e.History = []Rev{{parent.Gen + 1, digest}, parent}
		}
		if d.revs[e.History[0].String()] != nil {
			return
		}
	}
	attachments, have, must, may := m.attachments(d)
	e.Attachments, r.attachments = attachments, have
	w := m.collections[c].Write(m.t.Context(), []Edit{e}, WriteOptions{})[0]
	m.note("%s %d/%s %s of %q, expires %s, with %d attachments: %v", what, c, id, w.Rev, r.parent, r.expires.UTC().Format("02 15:04:05"), len(have), w.Err)
	switch {
	case w.Err == nil && !may, w.Err != nil && must, w.Err != nil && !errors.Is(w.Err, ErrMissingStub):
		m.fail("must be written %v, may be %v, but: %v", must, may, w.Err)
	case w.Err == nil:
		m.add(d, w.Rev.String(), r)
	}
}

func (m *keptModel) purge(c int, id string) {
	d := m.doc(c, id)
	leaves := d.ranked()
	if len(leaves) == 0 {
		return
	}
	what := Purging{ID: id}
	if len(leaves) > 1 || m.rng.IntN(3) == 0 {
		rev, _ := ParseRev(leaves[m.rng.IntN(len(leaves))])
		what.Revs = []Rev{rev}
	}
	m.note("purge %d/%s %v", c, id, what.Revs)
	_, err := m.collections[c].Purge(m.t.Context(), []Purging{what})
	require.NoError(m.t, err)
	kept := map[string]*keptRev{}
	for _, leaf := range leaves {
		if rev, _ := ParseRev(leaf); what.Revs == nil || slices.Contains(what.Revs, rev) {
			continue
		}
		for rev := leaf; rev != "" && d.revs[rev] != nil; rev = d.revs[rev].parent {
			kept[rev] = d.revs[rev]
		}
	}
	d.revs, d.changed = kept, m.clock.Now()
}

// sweep does what is due, and takes up what that is.
func (m *keptModel) sweep() {
	m.note("sweep")
	for m.sweepNow() > 0 {
	}
	for c := range m.docs {
		for id, d := range m.docs[c] {
			for _, rev := range m.expire(c, id, d) {
				if len(d.dues[rev]) > 1 { // it is looked at before it expires, or after that
					d.revs[rev].doubtful = true
					d.revs[rev].until = slices.MaxFunc(d.dues[rev], time.Time.Compare)
				}
			}
		}
	}
	m.drop(m.clock.Now().Add(time.Second))
}

// expire takes up the tombstones of winners whose time has come, and returns those.
func (m *keptModel) expire(c int, id string, d *keptDoc) (expired []string) {
	for {
		leaves := d.ranked()
		if len(leaves) == 0 {
			return expired
		}
		winner := d.revs[leaves[0]]
		if winner.deleted || winner.expires.IsZero() || winner.expires.After(m.clock.Now()) {
			return expired
		}
		info, err := m.collections[c].Inspect(m.t.Context(), id)
		require.NoError(m.t, err)
		made := ""
		for _, l := range info.Leaves {
			if d.revs[l.Rev.String()] == nil {
				doc, err := m.collections[c].Get(m.t.Context(), id, GetOptions{Rev: l.Rev, History: true})
				require.NoError(m.t, err)
				if len(doc.History) > 1 && doc.History[1].String() == leaves[0] && doc.Deleted {
					made = l.Rev.String()
				}
			}
		}
		if made == "" {
			m.fail("%d/%s %s has not expired", c, id, leaves[0])
		}
		m.note("%d/%s %s expired", c, id, leaves[0])
		m.add(d, made, &keptRev{parent: leaves[0], deleted: true, body: "{}", attachments: map[string]Content{}})
		expired = append(expired, leaves[0])
	}
}

// tombstoneStep is how exact the age of tombstones is.
func (m *keptModel) tombstoneStep() time.Duration {
	return m.retention.Tombstones / (maxRetainMarks / 2)
}

// forget purges old tombstones, and takes up which.
func (m *keptModel) forget() {
	m.note("forget tombstones")
	now := m.clock.Now()
	m.retain()
	noted := time.Time{} // what had changed by then is old enough for sure
	for _, at := range m.looks {
		if !at.Add(m.retention.Tombstones).After(now) {
			noted = at.Add(-m.tombstoneStep() - time.Second)
		}
	}
	m.looks = append(m.looks, now)
	for c := range m.docs {
		for id, d := range m.docs[c] {
			leaves := d.ranked()
			if len(leaves) == 0 || !d.revs[leaves[0]].deleted {
				continue
			}
			_, err := m.collections[c].Inspect(m.t.Context(), id)
			switch {
			case err == nil && !d.changed.After(noted):
				m.fail("the tombstone %d/%s is kept", c, id)
			case err == nil:
			case d.changed.Add(m.retention.Tombstones).After(now):
				m.fail("the tombstone %d/%s is gone: %v", c, id, err)
			default:
				m.note("%d/%s is forgotten", c, id)
				d.revs = map[string]*keptRev{}
			}
		}
	}
}

// restart opens the store again.
func (m *keptModel) restart() {
	m.note("restart")
	m.reopen()
	m.attach()
}

// restore goes on with a backup.
func (m *keptModel) restore() {
	m.note("restore")
	file, _ := m.backedUp("")
	require.NoError(m.t, m.store.Close())
	m.engine = memory.New()
	_, err := loadBackups(m.t.Context(), m.engine, sources(file), RestoreOptions{})
	require.NoError(m.t, err)
	m.open()
	db, err := m.store.Database("db")
	require.NoError(m.t, err)
	m.Collection = db.Default()
	m.attach()
}

// compare looks at every revision.
func (m *keptModel) compare() {
	for c := range m.docs {
		for id, d := range m.docs[c] {
			leaves := d.ranked()
			results, err := m.collections[c].GetRevs(m.t.Context(), id, nil, GetOptions{})
			if len(leaves) == 0 {
				require.ErrorIs(m.t, err, ErrNotFound)
				continue
			}
			require.NoError(m.t, err)
			var texts []string
			for _, r := range results {
				texts = append(texts, r.Rev.String())
			}
			if !slices.Equal(texts, leaves) {
				m.fail("%d/%s has the leaves %v, and not %v", c, id, texts, leaves)
			}
			for rev, r := range d.revs {
				m.compareRev(c, id, rev, r)
			}
		}
	}
}

func (m *keptModel) compareRev(c int, id, rev string, r *keptRev) {
	parsed, _ := ParseRev(rev)
	doc, err := m.collections[c].Get(m.t.Context(), id, GetOptions{Rev: parsed})
	must := r.until.IsZero() || m.clock.Now().Before(r.until) && !r.gone && !r.doubtful
	switch {
	case err != nil && must:
		m.fail("%d/%s %s: %v", c, id, rev, err)
	case err == nil && r.gone:
		m.fail("%d/%s %s is kept", c, id, rev)
	case err != nil:
		return
	}
	if string(doc.Body) != r.body || doc.Deleted != r.deleted || len(doc.Attachments) != len(r.attachments) {
		m.fail("%d/%s %s is %+v", c, id, rev, doc)
	}
	for _, a := range doc.Attachments {
		if a.Content != r.attachments[a.Name] {
			m.fail("%d/%s %s: %s is another", c, id, rev, a.Name)
		}
		if content := m.content(a.Content); int64(len(content)) != a.Content.Length {
			m.fail("%d/%s %s: %s has %d bytes", c, id, rev, a.Name, len(content))
		}
	}
}

func (m *keptModel) step() {
	c, id := m.rng.IntN(2), string("abc"[m.rng.IntN(3)])
	switch n := m.rng.IntN(20); {
	case n < 9:
		m.write(c, id)
	case n < 11:
		m.purge(c, id)
	case n == 11:
		u := keptUpload{content: m.newContent(), until: m.clock.Now().Add(unusedContent)}
		m.uploads = append(m.uploads, u)
	case n < 15:
		d := []time.Duration{time.Second, 10 * time.Minute, 50 * time.Minute, 100 * time.Minute, 26 * time.Hour, 80 * time.Hour}[m.rng.IntN(6)]
		m.note("%s later", d)
		m.clock.advance(d)
	case n < 17:
		m.sweep()
	case n == 17:
		m.forget()
	case n == 18 && m.rng.IntN(3) == 0:
		m.note("compact")
		m.compact()
		m.drop(m.clock.Now().Add(1000 * day))
	case n == 19 && m.rng.IntN(2) == 0:
		m.restart()
	case n == 19:
		m.restore()
	}
	m.compare()
}

// end removes everything, and waits until nothing is kept.
func (m *keptModel) end() {
	for c := range m.docs {
		for id := range m.docs[c] {
			_, err := m.collections[c].Purge(m.t.Context(), []Purging{{ID: id}})
			require.NoError(m.t, err)
		}
	}
	for range 4 {
		m.clock.advance(2 * day)
		for m.sweepNow() > 0 {
		}
	}
	for _, scope := range []scope{m.db.scope, m.collections[0].scope, m.collections[1].scope} {
		for _, kind := range []byte{kindHead, kindTree, kindBody, kindSeq, kindContent, kindChunk, kindReference, kindDue} {
			if n := m.keysOf(scope, kind); n > 0 {
				m.fail("%d keys of kind %d are left in %v", n, kind, scope)
			}
		}
	}
	if report := m.checked(); report.Found > 0 {
		m.fail("%v", report.Findings)
	}
}

// Whatever is written, attached, purged, restored and due, in whatever order: bodies and attachments are there
// for as long as they have to be, and then they go. HISTORIES says how many are played.
func TestDecision30_WhatIsNamedIsKeptAndWhatIsNotGoes(t *testing.T) {
	t.Parallel()
	for seed := range histories.Count(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newKeptModel(t, seed)
			for range 150 {
				m.step()
			}
			m.end()
		})
	}
}
