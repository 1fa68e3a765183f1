package syncstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// namedPolicy reads a document's channels and grants from its body.
type namedPolicy struct{}

type namedBody struct {
	Channels []string   `json:"channels"`
	Grants   [][]string `json:"grants"`
}

func (namedPolicy) Evaluate(_ context.Context, e Evaluation) (o Outcome, err error) {
	var b namedBody
	if err := json.Unmarshal(e.New.Body, &b); err != nil {
		return o, err
	}
	o.Channels = b.Channels
	for _, g := range b.Grants {
		o.Grants = append(o.Grants, Grant{g[0], g[1]})
	}
	return o, nil
}

// turnedPolicy is namedPolicy with the channels a to d moved on by so many.
type turnedPolicy struct{ by int }

func (p turnedPolicy) policy() Policy {
	return Policy{Evaluator: p, Version: fmt.Sprint("turned by ", p.by)}
}

func (p turnedPolicy) Evaluate(ctx context.Context, e Evaluation) (Outcome, error) {
	o, err := namedPolicy{}.Evaluate(ctx, e)
	for i := range o.Channels {
		o.Channels[i] = p.turn(o.Channels[i])
	}
	for i := range o.Grants {
		o.Grants[i].Channel = p.turn(o.Grants[i].Channel)
	}
	return o, err
}

func (p turnedPolicy) turn(name string) string {
	if n := strings.Index("abcd", name); len(name) == 1 && n >= 0 {
		return string("abcd"[(n+p.by)%4])
	}
	return name
}

// judge says what the policy says of a body.
func (p turnedPolicy) judge(written namedBody) namedBody {
	var b namedBody
	for _, name := range written.Channels {
		b.Channels = append(b.Channels, p.turn(name))
	}
	for _, g := range written.Grants {
		b.Grants = append(b.Grants, []string{g[0], p.turn(g[1])})
	}
	return b
}

// accessModel is a store beside what it should say.
type accessModel struct {
	*fixture
	rng    *rand.Rand
	docs   map[string]*accessDoc
	policy turnedPolicy
	given  map[givenTo]map[string]bool // channels and "role:…"
	// seen is what a viewer could see at some time: IDs.
	seen map[Viewer]map[string]bool
	// purged are revisions that were purged. Nobody is told, and who reads along may have got one just before.
	purged  map[string]bool
	clients []*modelClient
	log     []string
	// idle is how many rows a turn looks at for nothing; 0: as in production.
	idle int
}

// accessDoc is a document: its winner, and its other leaves.
type accessDoc struct {
	accessLeaf
	losers []accessLeaf
	revs   []string // all there ever were
}

type accessLeaf struct {
	written namedBody
	body    namedBody // as the policy judged it
	rev     Rev
	deleted bool
}

type givenTo struct {
	principal string
	source    GrantSource
}

var errPiece = errors.New("piece is full")

// choose makes the winner of the leaves.
func (d *accessDoc) choose(leaves []accessLeaf) {
	slices.SortFunc(leaves, func(a, b accessLeaf) int {
		if a.deleted != b.deleted {
			if a.deleted {
				return 1
			}
			return -1
		}
		return b.rev.Compare(a.rev)
	})
	d.accessLeaf, d.losers = leaves[0], leaves[1:]
}

// modelClient replicates as a Couchbase Lite or PouchDB client with revocations does.
type modelClient struct {
	viewer Viewer
	filter []string // channels that it asks for; nil: all
	cursor Cursor
	docs   map[string]string // ID → revision
	// noted is a position that it had, to which it goes back, if it lags, when its connection breaks.
	noted Cursor
	lags  bool
	live  *Feed
}

func (c *modelClient) options() FeedOptions {
	return FeedOptions{Viewer: &c.viewer, Channels: c.filter, Revocations: true, Lags: c.lags}
}

var (
	modelUsers    = []string{"alice", "bob", "carol"}
	modelViewers  = []Viewer{{Name: "alice"}, {Name: "bob"}, {Name: "carol"}, {Name: "alice", TokenGrants: true}}
	modelRoles    = []string{"red", "blue"}
	modelChannels = []string{"a", "b", "c", "d", "!"}
	modelIDs      = []string{"1", "2", "3", "4", "5", "6", "7"}
)

func newAccessModel(t *testing.T, seed uint64) *accessModel {
	t.Helper()
	m := &accessModel{
		fixture: newFixture(t), rng: rand.New(rand.NewPCG(seed, 1)), docs: map[string]*accessDoc{},
		given: map[givenTo]map[string]bool{}, seen: map[Viewer]map[string]bool{}, purged: map[string]bool{},
	}
	if seed%3 == 1 {
		m.idle = pageCost + 1
	}
	m.serve()
	for _, v := range modelViewers {
		m.seen[v] = map[string]bool{}
		for n := range 4 {
			c := m.client(v)
			c.lags = m.rng.IntN(2) == 0
			if n >= 2 {
				c.filter = append(m.some(modelChannels, 2), "a")
			}
			if n%2 == 1 {
				m.open(c)
			}
			m.clients = append(m.clients, c)
		}
	}
	return m
}

func (m *accessModel) open(c *modelClient) {
	c.live = m.Follow(c.cursor, c.options())
	m.t.Cleanup(c.live.Close)
}

// serve gives a store that was opened what its model says of it.
func (m *accessModel) serve() {
	m.Collection.SetPolicy(m.policy.policy())
	if m.idle > 0 {
		m.store.viewers.idle = m.idle
	}
}

// restart opens the store again, and the feeds where they were.
func (m *accessModel) restart() {
	for _, c := range m.clients {
		if c.live != nil {
			c.cursor = c.live.Cursor()
			c.live.Close()
		}
	}
	m.reopen()
	m.serve()
	for _, c := range m.clients {
		if c.live != nil {
			m.open(c)
		}
	}
}

func (m *accessModel) client(viewer Viewer) *modelClient {
	return &modelClient{viewer: viewer, docs: map[string]string{}}
}

func (m *accessModel) some(from []string, most int) []string {
	var out []string
	for range m.rng.IntN(most + 1) {
		out = append(out, from[m.rng.IntN(len(from))])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// channelsOf are the channels that a viewer has now.
func (m *accessModel) channelsOf(viewer Viewer) map[string]bool {
	has := func(principal string) map[string]bool {
		all := maps.Clone(m.given[givenTo{principal, GrantedByAdmin}])
		if all == nil {
			all = map[string]bool{}
		}
		if viewer.TokenGrants {
			maps.Copy(all, m.given[givenTo{principal, GrantedByToken}])
		}
		for _, d := range m.docs {
			for _, g := range d.body.Grants {
				if g[0] == principal {
					all[g[1]] = true
				}
			}
		}
		return all
	}
	all := map[string]bool{PublicChannel: true}
	for name := range has(viewer.Name) {
		if !strings.HasPrefix(name, rolePrincipal) {
			all[name] = true
			continue
		}
		if own := has(name); own[name] {
			for c := range own {
				if !strings.HasPrefix(c, rolePrincipal) {
					all[c] = true
				}
			}
		}
	}
	return all
}

func (m *accessModel) visible(viewer Viewer, filter ...string) map[string]string {
	channels := m.channelsOf(viewer)
	if filter != nil {
		maps.DeleteFunc(channels, func(name string, _ bool) bool {
			return name != AllChannel && !slices.Contains(filter, name)
		})
		if channels[AllChannel] {
			channels = map[string]bool{}
			for _, name := range filter {
				channels[name] = true
			}
		}
	}
	out := map[string]string{}
	for id, d := range m.docs {
		if channels[AllChannel] || slices.ContainsFunc(d.body.Channels, func(c string) bool { return channels[c] }) {
			m.seen[viewer][id] = true
			if !d.deleted {
				out[id] = d.rev.String()
			}
		}
	}
	return out
}

func (m *accessModel) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// step changes something at random.
func (m *accessModel) step() {
	switch n := m.rng.IntN(26); {
	case n < 10:
		m.write()
	case n < 14:
		m.give(modelUsers[m.rng.IntN(len(modelUsers))], GrantedByAdmin)
	case n < 17:
		m.give("alice", GrantedByToken)
	case n < 20:
		m.give(RolePrincipal(modelRoles[m.rng.IntN(len(modelRoles))]), GrantedByAdmin)
	case n < 22:
		m.conflict()
	case n < 24:
		m.purge()
	case n == 24:
		m.turn()
	default:
		m.resync()
	}
	m.look()
}

// look notes what viewers can see now.
func (m *accessModel) look() {
	for _, v := range modelViewers {
		m.visible(v)
	}
}

// turn changes the policy: what was written stays as it was judged until a resync.
func (m *accessModel) turn() {
	m.policy.by = m.rng.IntN(4)
	m.Collection.SetPolicy(m.policy.policy())
	m.note("policy turned by %d", m.policy.by)
}

// resync judges everything by the policy of now, document by document.
func (m *accessModel) resync() {
	require.NoError(m.t, m.StartResync(m.t.Context()))
	m.resyncing.Lock()
	run := m.Collection.resync
	m.resyncing.Unlock()
	if run != nil {
		<-run.done
	}
	m.note("%d resync", m.db.Info().Seq)
	var order []string
	_, err := m.Changes(m.t.Context(), ChangesOptions{}, func(ch *Change) error {
		order = append(order, string(ch.ID))
		return nil
	})
	require.NoError(m.t, err)
	for _, id := range order {
		d := m.docs[id]
		for _, l := range append([]*accessLeaf{&d.accessLeaf}, pointers(d.losers)...) {
			kept := l.body.Channels
			if l.body = m.policy.judge(l.written); l.deleted && len(l.body.Channels) == 0 {
				l.body.Channels = kept
			}
		}
		m.look()
	}
}

func pointers(leaves []accessLeaf) (p []*accessLeaf) {
	for i := range leaves {
		p = append(p, &leaves[i])
	}
	return p
}

// purge removes a document, or one of its leaves.
func (m *accessModel) purge() {
	id := modelIDs[m.rng.IntN(len(modelIDs))]
	d := m.docs[id]
	if d == nil {
		return
	}
	left := append([]accessLeaf{d.accessLeaf}, d.losers...)
	what := Purging{ID: id}
	if n := m.rng.IntN(len(left) + 1); n < len(left) {
		what.Revs = []Rev{left[n].rev}
		left = slices.Delete(left, n, n+1)
	} else {
		left = nil
	}
	_, err := m.Purge(m.t.Context(), []Purging{what})
	require.NoError(m.t, err)
	m.note("%d purge %s %v", m.db.Info().Seq, id, what.Revs)
	if len(left) > 0 {
		d.choose(left)
		return
	}
	for _, rev := range d.revs {
		m.purged[rev] = true
	}
	delete(m.docs, id)
}

func (m *accessModel) write() {
	id := modelIDs[m.rng.IntN(len(modelIDs))]
	d := m.docs[id]
	e := Edit{ID: id}
	if d != nil {
		e.Parent = d.rev
	}
	var body, judged namedBody
	if d != nil && !d.deleted && m.rng.IntN(5) == 0 {
		e.Deleted = true
		if m.rng.IntN(2) == 0 {
			body.Grants = d.written.Grants // as a policy that keeps them for the tombstone
		}
		judged = m.policy.judge(body)
		judged.Channels = d.body.Channels // as the store keeps them
	} else {
		body.Channels = m.some(modelChannels, 2)
		for range m.rng.IntN(2) {
			to := modelUsers[m.rng.IntN(len(modelUsers))]
			what := modelChannels[m.rng.IntN(len(modelChannels)-1)]
			switch m.rng.IntN(4) {
			case 0:
				to = RolePrincipal(modelRoles[m.rng.IntN(len(modelRoles))])
			case 1:
				what = RolePrincipal(modelRoles[m.rng.IntN(len(modelRoles))])
			}
			body.Grants = append(body.Grants, []string{to, what})
		}
		judged = m.policy.judge(body)
	}
	e.Body, _ = json.Marshal(body)
	r := m.Write(m.t.Context(), []Edit{e}, WriteOptions{})[0]
	require.NoError(m.t, r.Err)
	m.took(id, e, r, body, judged)
}

// took takes up a leaf, which extends the winner if e has a parent.
func (m *accessModel) took(id string, e Edit, r WriteResult, body, judged namedBody) {
	leaves := []accessLeaf{{written: body, body: judged, rev: r.Rev, deleted: e.Deleted}}
	if d := m.docs[id]; d != nil {
		leaves = append(leaves, d.losers...)
		if e.Parent.IsZero() {
			leaves = append(leaves, d.accessLeaf)
		}
	}
	var revs []string
	if m.docs[id] != nil {
		revs = m.docs[id].revs
	}
	m.docs[id] = &accessDoc{revs: append(revs, r.Rev.String())}
	m.docs[id].choose(leaves)
	m.note("%d write %s %s %v %v deleted=%v", r.Seq, id, r.Rev, judged.Channels, judged.Grants, e.Deleted)
}

// conflict pushes a revision that extends nothing, and does something in another collection.
func (m *accessModel) conflict() {
	id := modelIDs[m.rng.IntN(len(modelIDs))]
	body := namedBody{Channels: m.some(modelChannels, 2), Grants: [][]string{{modelUsers[m.rng.IntN(3)], "d"}}}
	e := Edit{ID: id, History: []Rev{{Gen: 1 + m.rng.Uint64N(3), Digest: fmt.Sprintf("%x", m.rng.Uint64())}}}
	e.Body, _ = json.Marshal(body)
	for _, c := range []*Collection{m.items(namedPolicy{}).Collection, m.Collection} {
		r := c.Write(m.t.Context(), []Edit{e}, WriteOptions{})[0]
		require.NoError(m.t, r.Err)
		if c == m.Collection {
			m.took(id, e, r, body, m.policy.judge(body))
		}
	}
}

// sees reports whether a user may see a leaf now.
func (m *accessModel) sees(viewer Viewer, l accessLeaf) bool {
	channels := m.channelsOf(viewer)
	return channels[AllChannel] || slices.ContainsFunc(l.body.Channels, func(c string) bool { return channels[c] })
}

// reads compares what every way of reading says with what a viewer may see.
func (m *accessModel) reads(v Viewer) {
	viewer := &v
	want := m.visible(v)
	got := map[string]string{}
	require.NoError(m.t, m.AllDocs(m.t.Context(), AllDocsOptions{Viewer: viewer}, func(d *Document) error {
		got[d.ID] = d.Rev.String()
		return nil
	}))
	require.Equal(m.t, want, got)
	var active, down []string
	for _, descending := range []bool{false, true} {
		_, err := m.Changes(m.t.Context(), ChangesOptions{
			FeedOptions: FeedOptions{Viewer: viewer, ActiveOnly: true}, Descending: descending,
		}, func(c *Change) error {
			require.Equal(m.t, want[string(c.ID)], string(c.Leaves[0].Rev))
			row := c.Cursor().String() + " " + string(c.ID)
			if down = append(down, row); !descending {
				active = append(active, row)
			}
			return nil
		})
		require.NoError(m.t, err)
	}
	require.Len(m.t, active, len(want))
	down = down[len(active):]
	slices.Reverse(down)
	require.Equal(m.t, active, down)
	for id, d := range m.docs {
		for _, l := range append([]accessLeaf{d.accessLeaf}, d.losers...) {
			doc, err := m.Get(m.t.Context(), id, GetOptions{Rev: l.rev, Viewer: viewer})
			if m.sees(v, l) {
				require.NoError(m.t, err)
				require.False(m.t, doc.Removed)
			} else if err == nil {
				require.True(m.t, doc.Removed)
			}
		}
	}
}

func (m *accessModel) give(principal string, source GrantSource) {
	var given []Given
	set := map[string]bool{}
	for _, c := range m.some(modelChannels[:4], 2) {
		given = append(given, Given{Channel: c})
		set[c] = true
	}
	if m.rng.IntN(12) == 0 {
		given = append(given, Given{Channel: AllChannel, Everywhere: true})
		set[AllChannel] = true
	}
	if role, ok := strings.CutPrefix(principal, rolePrincipal); ok {
		if m.rng.IntN(4) > 0 {
			given = append(given, Given{Role: role})
			set[principal] = true
		}
	} else {
		for _, role := range m.some(modelRoles, 1) {
			given = append(given, Given{Role: role})
			set[RolePrincipal(role)] = true
		}
	}
	require.NoError(m.t, m.store.Records().Update(m.t.Context(), func(tx RecordTx) error {
		tx.SetGrants(m.db.ID(), principal, source, given)
		return nil
	}))
	m.given[givenTo{principal, source}] = set
	m.note("%d give %s by %s %v", m.db.Info().Seq, principal, source, slices.Sorted(maps.Keys(set)))
}

func (c *modelClient) take(m *accessModel, ch *Change) error {
	id := string(ch.ID)
	if !m.seen[c.viewer][id] {
		m.fail("got what it never could see")
		require.Fail(m.t, "a leak", "%v got %s at %s: %+v", c.viewer, id, ch.Cursor(), ch)
	}
	switch {
	case ch.Revoked || ch.Removed != nil || ch.Deleted:
		delete(c.docs, id)
	default:
		c.docs[id] = string(ch.Leaves[0].Rev)
		if c.live != nil {
			break // it may be of before
		}
		for _, l := range append([]accessLeaf{m.docs[id].accessLeaf}, m.docs[id].losers...) {
			shown := slices.ContainsFunc(ch.Leaves, func(in ChangeLeaf) bool { return string(in.Rev) == l.rev.String() })
			require.Equal(m.t, m.sees(c.viewer, l), shown, "leaf %s of %s", l.rev, id)
		}
	}
	return nil
}

// note takes the position for the one to go back to, now and then.
func (c *modelClient) note(m *accessModel, at Cursor) {
	if m.rng.IntN(4) == 0 {
		c.noted = at
	}
}

// lose has the client go back, as one whose connection broke.
func (c *modelClient) lose(m *accessModel) {
	if c.cursor = c.noted; c.live != nil {
		c.live.Close()
		m.open(c)
	}
}

// pull reads pages of a few rows, or everything.
func (c *modelClient) pull(m *accessModel, all bool) {
	for {
		limit := 1 + m.rng.IntN(3)
		n := 0
		var before Cursor
		last, err := m.Changes(m.t.Context(), ChangesOptions{
			FeedOptions: c.options(), Since: c.cursor, Limit: limit,
		}, func(ch *Change) error {
			n++
			if before != (Cursor{}) {
				require.Negative(m.t, before.Compare(ch.Cursor()), "rows in order")
			}
			before = ch.Cursor()
			require.Negative(m.t, c.cursor.Compare(before), "rows after the client's position")
			return c.take(m, ch)
		})
		require.NoError(m.t, err)
		text, err := ParseCursor(last.String())
		require.NoError(m.t, err)
		c.cursor = text
		c.note(m, text)
		if n < limit || !all {
			return
		}
	}
}

// follow reads what a live feed has, until it has reached the database's sequence.
func (c *modelClient) follow(m *accessModel) {
	for deadline := time.After(3 * time.Second); ; {
		// As REST does it: a piece is full now and then, and the row is given again.
		left := 1 + m.rng.IntN(4)
		_, err := c.live.Read(m.t.Context(), 0, func(ch *Change) error {
			if left--; left < 0 {
				return errPiece
			}
			return c.take(m, ch)
		})
		c.note(m, c.live.Cursor())
		if !errors.Is(err, errPiece) {
			require.NoError(m.t, err)
		} else if m.rng.IntN(2) == 0 {
			return // it goes on later
		}
		if c.has(m) {
			return
		}
		select {
		case <-c.live.Ready():
		case <-deadline:
			m.fail("live feed of " + c.viewer.Name)
			require.Equal(m.t, m.visible(c.viewer, c.filter...), c.docs)
		}
	}
}

// has reports whether the client has exactly what it may see, and maybe what was purged. One that
// asks for some channels may keep documents that the user lost in these while there still was
// another channel.
func (c *modelClient) has(m *accessModel) bool {
	want := m.visible(c.viewer, c.filter...)
	docs := maps.Clone(c.docs)
	maps.DeleteFunc(docs, func(id, rev string) bool {
		return want[id] == "" && (c.filter != nil || m.purged[rev])
	})
	return maps.Equal(docs, want)
}

func (m *accessModel) fail(what string) {
	m.t.Log(what + "\n" + strings.Join(m.log, "\n"))
}

func (m *accessModel) check(c *modelClient, what string) {
	if !c.has(m) {
		m.fail(what)
		require.Equal(m.t, m.visible(c.viewer, c.filter...), c.docs, "%s of %v at %s", what, c.viewer, c.cursor)
	}
}

// Whatever is written, granted and taken, in whatever order, and wherever a client stopped
// reading: in the end it has exactly what it may see, and got nothing that it never could
// see. HISTORIES says how many are played.
func TestDecision34_ClientsEndWithWhatTheyMaySee(t *testing.T) {
	t.Parallel()
	seeds := 150
	if testing.Short() {
		seeds = 30
	}
	for seed := range histories.Count(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newAccessModel(t, seed)
			for n := range 60 {
				if n == 30 && seed%4 == 0 {
					m.restart()
				}
				m.step()
				for _, c := range m.clients {
					if c.lags && m.rng.IntN(12) == 0 {
						c.lose(m)
					}
					switch {
					case c.live != nil && m.rng.IntN(3) == 0:
						c.follow(m)
					case c.live == nil && m.rng.IntN(6) == 0:
						c.pull(m, m.rng.IntN(2) == 0)
					}
				}
			}
			for _, c := range m.clients {
				if c.live != nil {
					for range 100 {
						c.follow(m)
					}
					m.check(c, "live client")
					continue
				}
				c.pull(m, true)
				m.check(c, "client")
				m.reads(c.viewer)
				fresh := m.client(c.viewer)
				fresh.filter = c.filter
				fresh.pull(m, true)
				m.check(fresh, "new client")
			}
		})
	}
}
