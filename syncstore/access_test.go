package syncstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newAccessFixture is a store whose default collection takes channels and grants from the
// documents' bodies.
func newAccessFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	return f
}

// give sets what an administrator gives; names with "role:" are roles.
func (f *fixture) give(principal string, names ...string) {
	f.t.Helper()
	var given []Given
	for _, name := range names {
		if role, ok := strings.CutPrefix(name, rolePrincipal); ok {
			given = append(given, Given{Role: role})
		} else {
			given = append(given, Given{Channel: name})
		}
	}
	require.NoError(f.t, f.store.Records().Update(f.t.Context(), func(tx RecordTx) error {
		tx.SetGrants(f.db.ID(), principal, GrantedByAdmin, given)
		return nil
	}))
}

// in writes a document that names its channels.
func (f *fixture) in(id string, parent Rev, channels ...string) Rev {
	f.t.Helper()
	body, err := json.Marshal(namedBody{Channels: channels})
	require.NoError(f.t, err)
	return f.put(id, string(body), parent)
}

// feedOf is a user's feed as text.
func (f *fixture) feedOf(user string, since Cursor, o FeedOptions) (rows []string) {
	f.t.Helper()
	o.Viewer = &Viewer{Name: user}
	_, err := f.Changes(f.t.Context(), ChangesOptions{FeedOptions: o, Since: since}, func(c *Change) error {
		row := fmt.Sprintf("%s %s", c.Cursor(), c.ID)
		if c.Deleted {
			row += " deleted"
		}
		if c.Removed != nil {
			row += fmt.Sprint(" removed ", c.Removed)
		}
		if c.Revoked {
			row += " revoked"
		}
		rows = append(rows, row)
		return nil
	})
	require.NoError(f.t, err)
	return rows
}

func (f *fixture) read1(user, id string) error {
	_, err := f.Get(f.t.Context(), id, GetOptions{Viewer: &Viewer{Name: user}})
	return err
}

// The scenario that Sync Gateway's tests pin: the channel at 5, a document of it at 3, lost
// at 20.
func TestDecision34_BackfillAndRevocation(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.in("x", Rev{})               // 1
	f.in("y", Rev{}, "other")      // 2
	rev := f.in("d", Rev{}, "ch")  // 3
	f.in("pub", Rev{}, "!")        // 4
	f.give("alice", "ch")          // 5
	f.in("late", Rev{}, "ch", "x") // 6
	require.Equal(t, []string{"4 pub", "5:3 d", "6 late"}, f.feedOf("alice", Cursor{}, FeedOptions{}))
	require.Equal(t, []string{"5:3 d", "6 late"}, f.feedOf("alice", At(4), FeedOptions{}))
	require.Equal(t, []string{"6 late"}, f.feedOf("alice", Cursor{Event: 5, Seq: 3}, FeedOptions{}), "interrupted in between")
	require.Equal(t, []string{"6 late"}, f.feedOf("alice", At(5), FeedOptions{}))
	require.NoError(t, f.read1("alice", "d"))
	require.ErrorIs(t, f.read1("alice", "y"), ErrNotFound)
	require.ErrorIs(t, f.read1("bob", "d"), ErrNotFound)

	f.give("alice") // 7
	require.ErrorIs(t, f.read1("alice", "d"), ErrNotFound)
	require.Empty(t, f.feedOf("alice", At(6), FeedOptions{}), "nothing without revocations")
	lost := FeedOptions{Revocations: true}
	require.Equal(t, []string{"7:3 d revoked", "7:6 late revoked"}, f.feedOf("alice", At(6), lost))
	require.Equal(t, []string{"7:6 late revoked"}, f.feedOf("alice", Cursor{Event: 7, Seq: 3}, lost))
	require.Equal(t, []string{"4 pub"}, f.feedOf("alice", Cursor{}, lost), "a new client has nothing to lose")
	require.Equal(t, []string{"4 pub"}, f.feedOf("alice", At(3), lost), "nor one that never had it")
	lost.Lags = true
	for _, noted := range []Cursor{{}, At(3)} {
		require.Equal(t, []string{"4 pub", "7:3 d revoked", "7:6 late revoked"}, f.feedOf("alice", noted, lost),
			"one that lags may have received more before its connection broke")
	}
	lost.Lags = false
	lost.ActiveOnly = true
	require.Empty(t, f.feedOf("alice", At(6), lost))

	// A revision that was told of is a stub, other revisions are not there.
	doc, err := f.Get(t.Context(), "d", GetOptions{Rev: rev, Viewer: &Viewer{Name: "alice"}})
	require.NoError(t, err)
	require.True(t, doc.Removed)
	require.Equal(t, "{}", string(doc.Body))
	_, err = f.Get(t.Context(), "d", GetOptions{Rev: rev, Viewer: &Viewer{Name: "bob"}})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestADocumentThatLeavesAChannelIsRemoved(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a", "b")         // 1
	rev := f.in("d", Rev{}, "a", "b") // 2
	rev = f.in("d", rev, "b")         // 3
	other := f.in("e", Rev{}, "b")    // 4
	require.Equal(t, []string{"3 d", "4 e"}, f.feedOf("alice", At(2), FeedOptions{}), "it is in b still")
	rev = f.in("d", rev, "c")          // 5
	f.in("d", rev, "c", "x")           // 6
	_, _ = f.remove("e", other), other // 7
	require.Equal(t, []string{"5 d removed [b]", "7 e deleted"}, f.feedOf("alice", At(2), FeedOptions{}))
	require.Equal(t, []string{"7 e deleted"}, f.feedOf("alice", Cursor{}, FeedOptions{}), "a new client never had d")
	require.Empty(t, f.feedOf("alice", At(2), FeedOptions{ActiveOnly: true}))
	require.Equal(t, []string{"3 d removed [a]"}, f.feedOf("alice", At(2), FeedOptions{Channels: []string{"a"}}),
		"it left the channels of the filter")
}

// A document whose winner left the viewer's channels is lost to them, whatever other leaves it has: the
// feed says so, and who asks for what it tells gets a stub.
func TestALostWinnerIsAStubThoughAnotherLeafCanBeSeen(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	f.pushed("d", `{"channels":["a"]}`, "1-0")
	f.pushed("d", `{"channels":["a"]}`, "2-a", "1-0")
	seq := f.db.Info().Seq
	f.pushed("d", `{"channels":["b"]}`, "2-b", "1-0")
	require.Equal(t, []string{fmt.Sprint(seq+1, " d removed [a]")}, f.feedOf("alice", At(seq), FeedOptions{}))
	winner := GetOptions{Rev: revs(t, "2-b")[0], Viewer: &Viewer{Name: "alice"}, History: true}
	doc, err := f.Get(t.Context(), "d", winner)
	require.NoError(t, err)
	require.True(t, doc.Removed)
	require.Equal(t, "{}", string(doc.Body))
	require.Len(t, doc.History, 2)
	f.pushed("d", `{"channels":["b"]}`, "2-c", "1-0")
	_, err = f.Get(t.Context(), "d", winner)
	require.ErrorIs(t, err, ErrNotFound, "it is only another leaf")
}

func TestDecision34_RolesGiveWhatTheyHaveWhileTheyAre(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.in("d", Rev{}, "ch")    // 1
	f.give("alice", "role:r") // 2: there is no such role yet
	f.give("role:r", "ch")    // 3
	require.Empty(t, f.feedOf("alice", Cursor{}, FeedOptions{}))
	f.give("role:r", "ch", "role:r") // 4
	require.Equal(t, []string{"4:1 d"}, f.feedOf("alice", Cursor{}, FeedOptions{}))
	roles, channels, err := f.AccessOf(t.Context(), Viewer{Name: "alice"})
	require.NoError(t, err)
	require.Equal(t, []string{"r"}, roles)
	require.Equal(t, map[string]uint64{"!": 1, "ch": 4}, channels)

	f.give("role:r") // 5: deleted
	require.Equal(t, []string{"5:1 d revoked"}, f.feedOf("alice", At(4), FeedOptions{Revocations: true}))
	f.give("role:r", "ch", "role:r") // 6
	require.Equal(t, []string{"6:1 d"}, f.feedOf("alice", At(4), FeedOptions{Revocations: true}), "there again: not revoked")
	f.give("alice", "ch") // 7: by itself, not by the role any more
	require.Empty(t, f.feedOf("alice", At(6), FeedOptions{Revocations: true}), "it kept the channel")
}

// What a token gave counts only where the database takes the provider's tokens.
func TestTokenGrantsCountWhereTheViewerSays(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	items, err := f.db.OpenCollection(t.Context(), "", "items")
	require.NoError(t, err)
	items.SetPolicy(Policy{Evaluator: namedPolicy{}})
	f.in("d", Rev{}, "ch")
	require.NoError(t, items.Write(t.Context(), []Edit{{ID: "i", Body: []byte(`{"channels":["ch"]}`)}}, WriteOptions{})[0].Err)
	require.NoError(t, f.store.Records().Update(t.Context(), func(tx RecordTx) error {
		tx.SetGrants(f.db.ID(), "alice", GrantedByToken, []Given{{Channel: "ch", Everywhere: true}})
		return nil
	}))
	for _, counts := range []bool{true, false} {
		for id, c := range map[string]*Collection{"d": f.Collection, "i": items} {
			_, err := c.Get(t.Context(), id, GetOptions{Viewer: &Viewer{Name: "alice", TokenGrants: counts}})
			require.Equal(t, counts, err == nil, id)
		}
	}
}

// askingPolicy lets those write who have the channel "writers".
type askingPolicy struct{ asked chan struct{} }

func (p askingPolicy) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	if e.Writer != nil && !e.Writer.HasChannel("writers") {
		return Outcome{}, fmt.Errorf("%w: for writers", ErrRejected)
	}
	if p.asked != nil {
		p.asked <- struct{}{}
		<-p.asked
	}
	return Outcome{Channels: []string{"a"}}, nil
}

// A write that was judged under access, or a policy, that is not the writer's any more when it
// is committed is judged again.
func TestDecision33_AWriteIsJudgedByTheAccessOfItsCommit(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*fixture){
		"access": func(f *fixture) { f.give("alice") },
		"role":   func(f *fixture) { f.give("role:r", "role:r") },
		"policy": func(f *fixture) {
			f.Collection.SetPolicy(Policy{Evaluator: askingPolicy{}, Version: "2"})
			f.give("bob", "x")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			policy := askingPolicy{asked: make(chan struct{})}
			f.Collection.SetPolicy(Policy{Evaluator: policy})
			if what == "role" {
				f.give("role:r", "role:r", "writers")
				f.give("alice", "role:r")
			} else {
				f.give("alice", "writers")
			}
			done := make(chan error)
			go func() {
				done <- f.Write(context.Background(), []Edit{{ID: "d"}}, WriteOptions{Viewer: &Viewer{Name: "alice"}})[0].Err
			}()
			<-policy.asked
			change(f)
			policy.asked <- struct{}{}
			err := <-done
			if what == "policy" {
				require.NoError(t, err, "the new policy asks nobody to wait")
				return
			}
			require.ErrorIs(t, err, ErrRejected)
			require.Equal(t, uint64(0), f.db.Info().Docs)
		})
	}
}

// Nothing that changes nothing takes a sequence.
func TestGrantsThatAreThereAlreadyTakeNoSequence(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a", "role:r")
	seq := f.db.Info().Seq
	f.give("alice", "role:r", "a")
	f.give("bob")
	require.Equal(t, seq, f.db.Info().Seq)
	f.reopen()
	f.give("alice", "role:r", "a")
	require.Equal(t, seq, f.db.Info().Seq)
}

func TestEveryReadSaysTheSame(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	viewer := &Viewer{Name: "alice"}
	mine, theirs := f.in("mine", Rev{}, "a"), f.in("theirs", Rev{}, "b")
	f.pushed("mine", `{"channels":["b"]}`, "1-0")
	f.pushed("theirs", `{"channels":["a"]}`, "1-0")

	doc, err := f.Get(t.Context(), "mine", GetOptions{Conflicts: true, Viewer: viewer})
	require.NoError(t, err)
	require.Empty(t, doc.Conflicts, "the other leaf is in another channel")
	_, err = f.Get(t.Context(), "theirs", GetOptions{Viewer: viewer})
	require.ErrorIs(t, err, ErrNotFound, "the winner is what counts")
	_, err = f.Get(t.Context(), "theirs", GetOptions{Rev: theirs, Viewer: viewer})
	require.ErrorIs(t, err, ErrNotFound)
	results, err := f.GetRevs(t.Context(), "mine", nil, GetOptions{Viewer: viewer})
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, mine, results[0].Rev)

	var ids []string
	require.NoError(t, f.AllDocs(t.Context(), AllDocsOptions{Viewer: viewer}, func(d *Document) error {
		ids = append(ids, d.ID)
		return nil
	}))
	require.Equal(t, []string{"mine"}, ids)
	var leaves []string
	_, err = f.Changes(t.Context(), ChangesOptions{FeedOptions: FeedOptions{Viewer: viewer}}, func(c *Change) error {
		for _, l := range c.Leaves {
			leaves = append(leaves, fmt.Sprintf("%s %s", c.ID, l.Rev))
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"mine " + mine.String()}, leaves)
	hidden := f.in("hidden", Rev{}, "b")
	missing, err := f.RevsDiff(t.Context(), viewer, []RevsOffer{{ID: "hidden", Revs: []Rev{hidden}}, {ID: "mine", Revs: []Rev{mine}}})
	require.NoError(t, err)
	require.Len(t, missing[0].Missing, 1, "as if the document were not there")
	require.Empty(t, missing[1].Missing)
	all, err := f.SeesAll(t.Context(), viewer)
	require.NoError(t, err)
	require.False(t, all)
}

func TestCollectionsAreApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	items, err := f.db.OpenCollection(t.Context(), "shop", "items")
	require.NoError(t, err)
	again, err := f.db.OpenCollection(t.Context(), "shop", "items")
	require.NoError(t, err)
	require.Same(t, items, again)
	for _, bad := range []string{"_x", "", "a.b", "%a", "a b"} {
		if bad != "" {
			_, err = f.db.OpenCollection(t.Context(), "shop", bad)
			require.ErrorIs(t, err, ErrBadCollectionName, bad)
		}
	}
	f.put("a", `{"in":"default"}`, Rev{})
	require.NoError(t, items.Write(t.Context(), []Edit{{ID: "a", Body: []byte(`{"in":"items"}`)}, {ID: "b"}}, WriteOptions{})[0].Err)
	require.Equal(t, uint64(3), f.db.Info().Seq, "one sequence for all")
	require.Equal(t, uint64(1), f.Info().Docs)
	require.Equal(t, uint64(2), items.Info().Docs)

	feed := f.Follow(Cursor{}, FeedOptions{})
	defer feed.Close()
	rows, _ := f.changes(ChangesOptions{})
	require.Len(t, rows, 1)
	f.reopen()
	items, ok := f.db.Collection("shop", "items")
	require.True(t, ok)
	doc, err := items.Get(t.Context(), "a", GetOptions{})
	require.NoError(t, err)
	require.Equal(t, `{"in":"items"}`, string(doc.Body))
	require.Equal(t, uint64(2), items.Info().Docs)
	_, ok = f.db.Collection("", "nothing")
	require.False(t, ok)
}

func TestALiveFeedOfACollectionShowsNothingOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	items, err := f.db.OpenCollection(t.Context(), "", "items")
	require.NoError(t, err)
	feed := f.Follow(Cursor{}, FeedOptions{})
	defer feed.Close()
	f.read(feed, 0)
	require.NoError(t, items.Write(t.Context(), []Edit{{ID: "i"}}, WriteOptions{})[0].Err)
	f.put("d", `{}`, Rev{})
	for {
		rows := f.read(feed, 0)
		if len(rows) > 0 {
			require.Equal(t, "d", rows[0].ID)
			return
		}
		<-feed.Ready()
	}
}

func TestAccessHistoryIsToldAndCompacted(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.in("d", Rev{}, "ch")          // 1
	f.give("alice", "ch", "role:r") // 2
	f.give("alice")                 // 3
	history, err := f.db.AccessHistory(t.Context(), "alice")
	require.NoError(t, err)
	require.ElementsMatch(t, []LostGrant{
		{Scope: "_default", Collection: "_default", Channel: "ch", From: 2, To: 3}, {Role: "r", From: 2, To: 3},
	}, history)
	require.Equal(t, []string{"3:1 d revoked"}, f.feedOf("alice", At(2), FeedOptions{Revocations: true}))
	channel := ChannelOf{"_default", "_default", "ch"}
	compacted, err := f.db.CompactAccessHistory(t.Context(), "alice", []ChannelOf{{"_default", "_default", "no"}, channel})
	require.NoError(t, err)
	require.Equal(t, []ChannelOf{channel}, compacted)
	require.Empty(t, f.feedOf("alice", At(2), FeedOptions{Revocations: true}))
}

func TestGrantsSayWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("role:r", "role:r", "by-role")
	f.give("alice", "role:r", "own")
	f.put("d", `{"grants":[["alice","by-doc"]]}`, Rev{})
	held, err := f.db.Grants(t.Context(), "alice", true)
	require.NoError(t, err)
	var texts []string
	for _, h := range held {
		texts = append(texts, strings.TrimSpace(fmt.Sprint(h.Channel, h.Role, " ", h.Source, h.Document, " ", h.Via, " ", h.Since)))
	}
	slices.Sort(texts)
	require.Equal(t, []string{"by-doc d  3", "by-role admin r 1", "own admin  2", "r admin  2"}, texts)
}

func TestLostGrantsAreForgottenInTime(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "ch")
	f.give("alice")
	require.Equal(t, 1, f.keys(kindLostGrant))
	f.clock.advance(DefaultLostAccess - 10*time.Second)
	f.sweepNow()
	require.Equal(t, 1, f.keys(kindLostGrant))
	f.clock.advance((20) * time.Second)
	f.sweepNow()
	require.Zero(t, f.keys(kindLostGrant))
}

// Who has a document's channel by the document alone still sees that it is deleted, if the
// policy says so of the tombstone.
func TestATombstoneGrantsWhatItsPolicySays(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	write := func(id string, parent Rev, deleted bool, body string) Rev {
		r := f.Write(t.Context(), []Edit{{ID: id, Parent: parent, Deleted: deleted, Body: []byte(body)}}, WriteOptions{})[0]
		require.NoError(t, r.Err)
		return r.Rev
	}
	rev := write("d", Rev{}, false, `{"channels":["mine"],"grants":[["alice","mine"]]}`) // 1
	rev = write("d", rev, true, `{"grants":[["alice","mine"]]}`)                         // 2
	require.Equal(t, []string{"2 d deleted"}, f.feedOf("alice", At(1), FeedOptions{}))
	doc, err := f.Get(t.Context(), "d", GetOptions{Rev: rev, Viewer: &Viewer{Name: "alice"}})
	require.NoError(t, err)
	require.True(t, doc.Deleted)
	write("d", rev, true, `{}`) // 3
	require.Empty(t, f.feedOf("alice", At(2), FeedOptions{}))
	require.Equal(t, []string{"3:3 d deleted revoked"}, f.feedOf("alice", At(2), FeedOptions{Revocations: true}))
}

// Who sees a document sees that its time has come, also where only the document gave it.
func TestAnExpiredDocumentStaysWhereItWas(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	body := []byte(`{"channels":["mine"],"grants":[["alice","mine"]]}`)
	require.NoError(t, f.Write(t.Context(), []Edit{{ID: "d", Body: body, Expires: f.clock.Now().Add(time.Hour)}}, WriteOptions{})[0].Err)
	f.clock.advance(2 * time.Hour)
	f.sweepNow()
	require.Equal(t, []string{"2 d deleted"}, f.feedOf("alice", At(1), FeedOptions{}))
}

// What a feed waited for is forgotten when it waits for something else, and when it is closed.
func TestFeedsLeaveNoSubscriptionsBehind(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a", "b")
	feed := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "alice"}})
	other := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "bob"}})
	// waits reads until what the feeds wait for is n things: a commit is told a moment later.
	waits := func(n int) {
		require.Eventually(t, func() bool {
			f.read(feed, 0)
			f.read(other, 0)
			b := f.db.broadcast
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.subscriptions) == n
		}, waitFor, tick, "%d", n)
	}
	waits(5) // a, b, the public channel, alice and bob
	f.give("alice", "b", "c", "d")
	waits(6)
	f.Collection.SetPolicy(Policy{}) // everybody sees everything
	waits(1)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}, Version: "2"})
	waits(6)
	feed.Close()
	other.Close()
	require.Empty(t, f.db.broadcast.subscriptions)
}
