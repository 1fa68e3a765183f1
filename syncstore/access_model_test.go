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

// accessModel is a store beside what it should say.
type accessModel struct {
	*fixture
	rng   *rand.Rand
	docs  map[string]*accessDoc
	given map[string]map[string]bool // principal → channels and "role:…"
	// seen is what a user could see at some time: IDs.
	seen    map[string]map[string]bool
	clients []*modelClient
	log     []string
}

type accessDoc struct {
	body    namedBody
	rev     Rev
	deleted bool
}

var errPiece = errors.New("piece is full")

// modelClient replicates as a Couchbase Lite or PouchDB client with revocations does.
type modelClient struct {
	user   string
	cursor Cursor
	docs   map[string]string // ID → revision
	live   *Feed
}

var (
	modelUsers    = []string{"alice", "bob", "carol"}
	modelRoles    = []string{"red", "blue"}
	modelChannels = []string{"a", "b", "c", "d", "!"}
	modelIDs      = []string{"1", "2", "3", "4", "5", "6", "7"}
)

func newAccessModel(t *testing.T, seed uint64) *accessModel {
	t.Helper()
	m := &accessModel{
		fixture: newFixture(t), rng: rand.New(rand.NewPCG(seed, 1)), docs: map[string]*accessDoc{},
		given: map[string]map[string]bool{}, seen: map[string]map[string]bool{},
	}
	m.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	for _, u := range modelUsers {
		m.seen[u] = map[string]bool{}
		m.clients = append(m.clients, m.client(u), m.client(u))
		last := m.clients[len(m.clients)-1]
		last.live = m.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: u}, Revocations: true})
		t.Cleanup(last.live.Close)
	}
	return m
}

func (m *accessModel) client(user string) *modelClient {
	return &modelClient{user: user, docs: map[string]string{}}
}

func (m *accessModel) some(from []string, most int) []string {
	var out []string
	for range m.rng.IntN(most + 1) {
		out = append(out, from[m.rng.IntN(len(from))])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// channelsOf are the channels that a user has now.
func (m *accessModel) channelsOf(user string) map[string]bool {
	has := func(principal string) map[string]bool {
		all := maps.Clone(m.given[principal])
		if all == nil {
			all = map[string]bool{}
		}
		for _, d := range m.docs {
			for _, g := range d.body.Grants {
				if !d.deleted && g[0] == principal {
					all[g[1]] = true
				}
			}
		}
		return all
	}
	all := map[string]bool{PublicChannel: true}
	for name := range has(user) {
		role, ok := strings.CutPrefix(name, rolePrincipal)
		if !ok {
			all[name] = true
			continue
		}
		if own := has(name); own[name] || m.given[name][name] {
			for c := range own {
				if !strings.HasPrefix(c, rolePrincipal) {
					all[c] = true
				}
			}
		}
		_ = role
	}
	return all
}

func (m *accessModel) visible(user string) map[string]string {
	channels := m.channelsOf(user)
	out := map[string]string{}
	for id, d := range m.docs {
		if channels[AllChannel] || slices.ContainsFunc(d.body.Channels, func(c string) bool { return channels[c] }) {
			m.seen[user][id] = true
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
	switch n := m.rng.IntN(10); {
	case n < 5:
		m.write()
	case n < 8:
		m.give(modelUsers[m.rng.IntN(len(modelUsers))])
	default:
		m.give(RolePrincipal(modelRoles[m.rng.IntN(len(modelRoles))]))
	}
	for _, u := range modelUsers {
		m.visible(u)
	}
}

func (m *accessModel) write() {
	id := modelIDs[m.rng.IntN(len(modelIDs))]
	d := m.docs[id]
	e := Edit{ID: id}
	if d != nil {
		e.Parent = d.rev
	}
	var body namedBody
	if d != nil && !d.deleted && m.rng.IntN(5) == 0 {
		e.Deleted = true
		body.Channels = d.body.Channels // as the store keeps them
		e.Body = []byte("{}")
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
		e.Body, _ = json.Marshal(body)
	}
	r := m.Write(m.t.Context(), []Edit{e}, WriteOptions{})[0]
	require.NoError(m.t, r.Err)
	m.docs[id] = &accessDoc{body: body, rev: r.Rev, deleted: e.Deleted}
	m.note("%d write %s %v %v deleted=%v", r.Seq, id, body.Channels, body.Grants, e.Deleted)
}

func (m *accessModel) give(principal string) {
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
		tx.SetGrants(m.db.ID(), principal, GrantedByAdmin, given)
		return nil
	}))
	m.given[principal] = set
	m.note("%d give %s %v", m.db.Info().Seq, principal, slices.Sorted(maps.Keys(set)))
}

func (c *modelClient) take(m *accessModel, ch *Change) error {
	id := string(ch.ID)
	if !m.seen[c.user][id] {
		m.fail("got what it never could see")
		require.Fail(m.t, "a leak", "%s got %s at %s: %+v", c.user, id, ch.Cursor(), ch)
	}
	switch {
	case ch.Revoked || ch.Removed != nil || ch.Deleted:
		delete(c.docs, id)
	default:
		c.docs[id] = string(ch.Leaves[0].Rev)
	}
	return nil
}

// pull reads pages of a few rows, or everything.
func (c *modelClient) pull(m *accessModel, all bool) {
	for {
		limit := 1 + m.rng.IntN(3)
		n := 0
		var before Cursor
		last, err := m.Changes(m.t.Context(), ChangesOptions{
			FeedOptions: FeedOptions{Viewer: &Viewer{Name: c.user}, Revocations: true}, Since: c.cursor, Limit: limit,
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
		if n < limit || !all {
			return
		}
	}
}

// follow reads what a live feed has, until it has reached the database's sequence.
func (c *modelClient) follow(m *accessModel) {
	for deadline := time.After(10 * time.Second); ; {
		// As REST does it: a piece is full now and then, and the row is given again.
		left := 1 + m.rng.IntN(4)
		_, err := c.live.Read(m.t.Context(), 0, func(ch *Change) error {
			if left--; left < 0 {
				return errPiece
			}
			return c.take(m, ch)
		})
		if !errors.Is(err, errPiece) {
			require.NoError(m.t, err)
		} else if m.rng.IntN(2) == 0 {
			return // it goes on later
		}
		if maps.Equal(c.docs, m.visible(c.user)) {
			return
		}
		select {
		case <-c.live.Ready():
		case <-deadline:
			m.fail("live feed of " + c.user)
			require.Equal(m.t, m.visible(c.user), c.docs)
		}
	}
}

func (m *accessModel) fail(what string) {
	m.t.Log(what + "\n" + strings.Join(m.log, "\n"))
}

func (m *accessModel) check(c *modelClient, what string) {
	if want := m.visible(c.user); !maps.Equal(want, c.docs) {
		m.fail(what)
		require.Equal(m.t, want, c.docs, "%s of %s at %s", what, c.user, c.cursor)
	}
}

// Whatever is written, granted and taken, in whatever order, and wherever a client stopped
// reading: in the end it has exactly what it may see, and got nothing that it never could
// see.
func TestDecision34_ClientsEndWithWhatTheyMaySee(t *testing.T) {
	t.Parallel()
	seeds := 150
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newAccessModel(t, uint64(seed))
			for range 60 {
				m.step()
				for _, c := range m.clients {
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
				fresh := m.client(c.user)
				fresh.pull(m, true)
				m.check(fresh, "new client")
			}
		})
	}
}
