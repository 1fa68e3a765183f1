package syncstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// gatePolicy lets those write who have the channel "ch", and nobody if it is closed. Channels and grants are as
// bodies name them.
type gatePolicy struct{ closed bool }

func (p gatePolicy) Evaluate(ctx context.Context, e Evaluation) (Outcome, error) {
	if e.Writer != nil && (p.closed || !e.Writer.HasChannel("ch")) {
		return Outcome{}, fmt.Errorf("%w: not for %s", ErrRejected, e.Writer.Name())
	}
	return namedPolicy{}.Evaluate(ctx, e)
}

// changingAccess is whether alice has "ch", by each of the ways to get it, and when it changed.
type changingAccess struct {
	*fixture
	rng                      *rand.Rand
	admin, token, roles, doc bool
	roleHas, closed          bool
	// byDocuments: documents alone give and take, so that each change has a sequence that is known.
	byDocuments bool
	revs        map[string]Rev
	// moments are when it began to change and when it had changed, with what it was since.
	moments []accessMoment
}

type accessMoment struct {
	began, done   time.Time
	seq           uint64 // of a change by a document
	reads, writes bool
}

// has is whether alice has the channel.
func (g *changingAccess) has() bool { return g.admin || g.token || g.doc || g.roles && g.roleHas }

// turn changes one of the ways.
func (g *changingAccess) turn() {
	m := accessMoment{began: time.Now()}
	if n := g.rng.IntN(6); n < 3 || g.byDocuments {
		m.seq = g.turnDocument(n % 3)
	} else {
		g.turnOther(n)
	}
	m.done, m.reads, m.writes = time.Now(), g.has(), g.has() && !g.closed
	g.moments = append(g.moments, m)
}

// turnDocument has a document give something, or take it back.
func (g *changingAccess) turnDocument(n int) uint64 {
	id, grant := "gives the channel", `["alice","ch"]`
	has := &g.doc
	switch n {
	case 1:
		id, grant, has = "gives the role", `["alice","role:r"]`, &g.roles
	case 2:
		id, grant, has = "gives the role the channel", `["role:r","ch"]`, &g.roleHas
	}
	*has = !*has
	body := `{}`
	if *has {
		body = `{"grants":[` + grant + `]}`
	}
	w := g.write(Edit{ID: id, Body: []byte(body), Parent: g.revs[id]})
	require.NoError(g.t, w.Err)
	g.revs[id] = w.Rev
	return w.Seq
}

// turnOther changes what administrators or tokens gave, or the policy.
func (g *changingAccess) turnOther(n int) {
	set := func(source GrantSource, has bool) {
		var given []Given
		if has {
			given = append(given, Given{Channel: "ch"})
		}
		require.NoError(g.t, g.store.Records().Update(g.t.Context(), func(tx RecordTx) error {
			tx.SetGrants(g.db.ID(), "alice", source, given)
			return nil
		}))
	}
	switch n {
	case 3:
		g.admin = !g.admin
		set(GrantedByAdmin, g.admin)
	case 4:
		g.token = !g.token
		set(GrantedByToken, g.token)
	case 5:
		g.closed = !g.closed
		g.Collection.SetPolicy(Policy{Evaluator: gatePolicy{g.closed}})
	}
}

// could reports which answers of something that took from one time to another can be right.
func (g *changingAccess) could(from, to time.Time, of func(accessMoment) bool) (yes, no bool) {
	for i, m := range g.moments {
		// It holds at the latest since m was done, and at the earliest since m began; until the next.
		until := time.Now()
		if i+1 < len(g.moments) {
			until = g.moments[i+1].done
		}
		if !m.began.After(to) && !until.Before(from) {
			yes, no = yes || of(m), no || !of(m)
		}
	}
	return yes, no
}

// at is what held when a write was committed.
func (g *changingAccess) at(seq uint64) (last accessMoment) {
	for _, m := range g.moments {
		if m.seq < seq {
			last = m
		}
	}
	return last
}

// accessAnswer is what alice was answered.
type accessAnswer struct {
	what     string
	from, to time.Time
	ok       bool
	seq      uint64 // of a write
}

// ask has alice read or write.
func (g *changingAccess) ask(rng *rand.Rand, asker, n int) accessAnswer {
	alice := &Viewer{Name: "alice", TokenGrants: true}
	a := accessAnswer{from: time.Now()}
	ctx := context.Background()
	switch rng.IntN(6) {
	case 2:
		a.what = "list"
		g.only(g.AllDocs(ctx, AllDocsOptions{Viewer: alice}, func(doc *Document) error {
			a.ok = a.ok || doc.ID == "there"
			return nil
		}))
	case 3:
		a.what = "query"
		index := g.Index(testIndex)
		g.only(index.Update(ctx, &wordMapper{}, g.Info().Seq))
		a.from = time.Now() // who may see a row is read with it
		g.only(index.View(ctx, alice, func(v *IndexView) error {
			return v.Scan(IndexRange{}, func(e *IndexEntry) (bool, error) {
				a.ok = a.ok || e.ID == "there"
				return !a.ok, nil
			})
		}))
	case 0:
		a.what = "get"
		_, err := g.Get(ctx, "there", GetOptions{Viewer: alice})
		a.ok = err == nil
		g.only(err, ErrNotFound)
	case 1:
		a.what = "changes"
		_, err := g.Changes(ctx, ChangesOptions{FeedOptions: FeedOptions{Viewer: alice}}, func(c *Change) error {
			a.ok = a.ok || string(c.ID) == "there" && c.Removed == nil && !c.Revoked
			return nil
		})
		g.only(err)
	default:
		a.what = "write"
		edits := []Edit{{ID: fmt.Sprint("new ", asker, n), Body: []byte(`{"channels":["ch"]}`)}}
		for _, w := range g.Write(ctx, edits, WriteOptions{Viewer: alice}) {
			a.ok, a.seq = w.Err == nil, w.Seq
			g.only(w.Err, ErrRejected)
		}
	}
	a.to = time.Now()
	return a
}

// While what a user has goes on changing, by each of the ways to get it, every read and write is answered by what the
// user had at some moment between its beginning and its end. HISTORIES says how many histories are played.
func TestDecision33_EveryAnswerIsByTheAccessOfAMoment(t *testing.T) {
	t.Parallel()
	for seed := range histories.Count(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := &changingAccess{
				fixture: newFixture(t), rng: rand.New(rand.NewPCG(seed, 0)), byDocuments: seed%2 == 0, revs: map[string]Rev{},
			}
			g.moments = []accessMoment{{began: time.Now(), done: time.Now()}}
			g.Collection.SetPolicy(Policy{Evaluator: gatePolicy{}})
			g.in("there", Rev{}, "ch")
			g.give("role:r", "role:r")
			const askers = 4
			answers := make([][]accessAnswer, askers)
			stop := make(chan struct{})
			var group sync.WaitGroup
			for i := range answers {
				group.Go(func() {
					rng := rand.New(rand.NewPCG(seed, uint64(1+i)))
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
							answers[i] = append(answers[i], g.ask(rng, i, n))
						}
					}
				})
			}
			for range 200 {
				g.turn()
			}
			close(stop)
			group.Wait()
			for _, a := range slices.Concat(answers...) {
				yes, no := g.could(a.from, a.to, func(m accessMoment) bool {
					if a.what == "write" {
						return m.writes
					}
					return m.reads
				})
				if g.byDocuments && a.seq != 0 {
					require.True(t, g.at(a.seq).writes, "%+v", a)
				}
				require.True(t, a.ok && yes || !a.ok && no, "%+v: yes %v, no %v", a, yes, no)
			}
		})
	}
}
