package syncstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// switching is a policy whose function changes.
type switching struct{ channel string }

func (s switching) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	if strings.Contains(string(e.New.Body), "refused") {
		return Outcome{}, fmt.Errorf("%w: no", ErrRejected)
	}
	if e.Writer != nil {
		return Outcome{}, errors.New("a resync has no writer")
	}
	return Outcome{Channels: []string{s.channel}, Grants: []Grant{{"alice", s.channel}}}, nil
}

func (f *fixture) resynced() ResyncStatus {
	f.t.Helper()
	var status ResyncStatus
	require.Eventually(f.t, func() bool {
		var err error
		status, err = f.ResyncStatus(f.t.Context())
		require.NoError(f.t, err)
		return status.State != ResyncRunning
	}, waitFor, tick)
	return status
}

func TestResyncJudgesAgainAndMovesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: switching{"old"}, Version: "1"})
	changed, err := f.PolicyChanged(t.Context())
	require.NoError(t, err)
	require.False(t, changed, "there is no document yet")
	for n := range 250 {
		f.put(fmt.Sprintf("d%03d", n), `{}`, Rev{})
	}
	require.NoError(t, f.StartResync(t.Context()))
	require.Equal(t, uint64(250), f.resynced().Processed)
	require.Equal(t, uint64(250), f.db.Info().Seq, "nothing changed, nothing was written")

	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "2"})
	changed, err = f.PolicyChanged(t.Context())
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.Equal(t, ResyncCompleted, status.State)
	require.Equal(t, uint64(250), status.Changed)
	require.Equal(t, uint64(500), f.db.Info().Seq)
	changed, err = f.PolicyChanged(t.Context())
	require.NoError(t, err)
	require.False(t, changed)
	require.Len(t, f.feedOf("alice", Cursor{}, FeedOptions{}), 250)
	_, channels, err := f.AccessOf(t.Context(), Viewer{Name: "alice"})
	require.NoError(t, err)
	require.Contains(t, channels, "new")
	require.NotContains(t, channels, "old")
	require.Equal(t, 250, f.keys(kindSeq), "one row a document")
}

// Documents that were written in between are judged by another policy.
func TestComingBackToAnEarlierPolicyIsAChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := func(version string) {
		f.Collection.SetPolicy(Policy{Evaluator: switching{version}, Version: version})
	}
	changed := func() bool {
		is, err := f.PolicyChanged(t.Context())
		require.NoError(t, err)
		return is
	}
	set("a")
	require.False(t, changed())
	f.put("d", `{}`, Rev{})
	set("b")
	require.True(t, changed())
	require.Eventually(t, func() bool {
		state, err := f.readResync(t.Context())
		return err == nil && state.Judged == severalVersions
	}, waitFor, tick)
	set("a")
	require.True(t, changed())
	require.NoError(t, f.StartResync(t.Context()))
	f.resynced()
	require.False(t, changed())
	require.Equal(t, uint64(1), f.store.Stats().ResyncDocuments)
	require.Zero(t, f.store.Stats().Resyncs)
}

// A document that is written meanwhile by another policy, behind the resync, stays where that put it.
func TestComingBackToAnEarlierPolicyDuringAResyncIsAChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := func(version string, e Evaluator) { f.Collection.SetPolicy(Policy{Evaluator: e, Version: version}) }
	set("a", switching{"a"})
	_, err := f.PolicyChanged(t.Context())
	require.NoError(t, err)
	f.put("d", `{}`, Rev{})
	g := &gate{in: make(chan struct{}), out: make(chan struct{})}
	set("a", g)
	require.NoError(t, f.StartResync(t.Context()))
	<-g.in
	set("b", switching{"b"})
	f.put("c", `{}`, Rev{})
	set("a", switching{"a"})
	close(g.out)
	require.Equal(t, ResyncCompleted, f.resynced().State)
	changed, err := f.PolicyChanged(t.Context())
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, f.StartResync(t.Context()))
	f.resynced()
	changed, err = f.PolicyChanged(t.Context())
	require.NoError(t, err)
	require.False(t, changed)
}

// A collection may leave the configuration by mistake while it is resynced: what has no policy would be in no channel,
// and devices that come when it is back would purge it.
func TestAResyncTakesNoDocumentOutOfItsChannelsWhileTheCollectionIsClosed(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	f := newFixture(t, func(o *Options) { o.Logger = zap.New(core) })
	open := Policy{Evaluator: switching{"red"}, Version: "a"}
	f.Collection.SetPolicy(open)
	for n := range 3 {
		f.put(fmt.Sprint("d", n), `{}`, Rev{})
	}
	g := &gate{in: make(chan struct{}), out: make(chan struct{})}
	f.Collection.SetPolicy(Policy{Evaluator: g, Version: "a"})
	require.NoError(t, f.StartResync(t.Context()))
	<-g.in
	f.Collection.SetPolicy(ClosedPolicy())
	close(g.out)
	require.Eventually(t, func() bool {
		return logs.FilterMessage("a resync waits until the configuration has the collection again").Len() > 0
	}, waitFor, tick)
	f.Collection.SetPolicy(open)
	require.Equal(t, ResyncCompleted, f.resynced().State)
	require.Equal(t, uint64(3), f.db.Info().Seq, "nothing is elsewhere")

	f.Collection.SetPolicy(ClosedPolicy())
	require.ErrorIs(t, f.StartResync(t.Context()), ErrUnavailable)
}

func TestResyncGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: switching{"old"}, Version: "1"})
	for n := range 150 {
		f.put(fmt.Sprintf("d%03d", n), `{}`, Rev{})
	}
	state := resyncState{ResyncStatus: ResyncStatus{State: ResyncRunning, Processed: 100}, Version: "2", Last: "d099"}
	require.NoError(t, f.saveResync(state, false))
	f.reopen()
	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "2"})
	require.Eventually(t, func() bool {
		status, err := f.ResyncStatus(t.Context())
		return err == nil && status.Processed == 150 && status.State == ResyncCompleted
	}, waitFor, tick)
	require.Equal(t, uint64(200), f.db.Info().Seq, "the last fifty changed")
}

func TestResyncPutsWhatThePolicyRefusesIntoNoChannel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{"refused":1}`, Rev{})
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}, Version: "1"})
	f.put("a", `{"refused":1,"channels":["ch"]}`, f.get("a", GetOptions{}).Rev)
	f.Collection.SetPolicy(Policy{Evaluator: switching{"x"}, Version: "2"})
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.Equal(t, uint64(1), status.Errors)
	require.Contains(t, status.LastError, "no")
	f.give("bob", "ch")
	require.ErrorIs(t, f.read1("bob", "a"), ErrNotFound)
}

// overdue is a refusal for want of time.
type overdue struct{ error }

func (overdue) Unwrap() error  { return ErrRejected }
func (overdue) TimedOut() bool { return true }

// A function that a busy machine did not let end takes no document from those who have it.
func TestAResyncJudgesAgainWhatRanOutOfTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := &recorder{outcome: Outcome{Channels: []string{"ch"}}}
	f.Collection.SetPolicy(Policy{Evaluator: policy, Version: "1"})
	f.put("a", `{}`, Rev{})
	late := 2
	policy.refuse = func(Evaluation) error {
		if late--; late >= 0 {
			return overdue{ErrRejected}
		}
		return nil
	}
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.Zero(t, status.Errors)
	require.Zero(t, status.Changed)

	late = resyncTries
	require.NoError(t, f.StartResync(t.Context()))
	require.Equal(t, uint64(1), f.resynced().Errors, "it never ends")
}

// hungry is a refusal for want of memory.
type hungry struct{ error }

func (hungry) Unwrap() error     { return ErrRejected }
func (hungry) OutOfMemory() bool { return true }

// The memory that is measured is that of the whole process: what others take of it takes no document from those
// who have it, and hides none from the administrator.
func TestAResyncLeavesWhereItIsWhatRanOutOfMemory(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	f := newFixture(t, func(o *Options) { o.Logger = zap.New(core) })
	policy := &recorder{outcome: Outcome{Channels: []string{"ch"}}}
	f.Collection.SetPolicy(Policy{Evaluator: policy, Version: "1"})
	f.put("a", `{}`, Rev{})
	f.put("b", `{}`, Rev{})
	f.give("alice", "ch")
	lacking, tries := resyncTries-1, 0
	policy.refuse = func(e Evaluation) error {
		if e.New.ID != "a" {
			return nil
		}
		if tries++; tries <= lacking {
			return hungry{ErrRejected}
		}
		return nil
	}
	policy.outcome.Channels = []string{"ch", "new"}
	f.Collection.SetPolicy(Policy{Evaluator: policy, Version: "2"})
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.Zero(t, status.Errors, "it was judged in the end")
	require.EqualValues(t, 2, status.Changed)

	policy.outcome.Channels = []string{"ch"}
	lacking, tries = 1000, 0
	f.Collection.SetPolicy(Policy{Evaluator: policy, Version: "3"})
	require.NoError(t, f.StartResync(t.Context()))
	status = f.resynced()
	require.Equal(t, ResyncCompleted, status.State)
	require.EqualValues(t, 1, status.Errors)
	require.EqualValues(t, 1, status.Changed, "those after it are judged")
	require.Equal(t, resyncTries, tries)
	require.Equal(t, 1, logs.FilterMessageSnippet("left a document where it is").FilterField(zap.String("document", "a")).Len())
	require.NoError(t, f.read1("alice", "a"))
	changed, err := f.PolicyChanged(t.Context())
	require.NoError(t, err)
	require.True(t, changed, "another resync may find it judged")
}

func TestAResyncNamesWhatThePolicyRefuses(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	f := newFixture(t, func(o *Options) { o.Logger = zap.New(core) })
	for n := range resyncLogged + 50 {
		f.put(fmt.Sprintf("d%03d", n), `{"refused":1}`, Rev{})
	}
	f.put("taken", `{}`, Rev{})
	f.Collection.SetPolicy(Policy{Evaluator: switching{"x"}, Version: "2"})
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.EqualValues(t, resyncLogged+50, status.Errors)
	require.Equal(t, `document "d149": rejected: no`, status.LastError)
	entries := logs.FilterMessageSnippet("the policy refuses it").All()
	require.Len(t, entries, resyncLogged, "more would be a flood")
	for n, entry := range entries {
		require.Equal(t, map[string]any{
			"database": "db", "collection": "_default._default", "document": fmt.Sprintf("d%03d", n), "reason": "rejected: no",
		}, entry.ContextMap())
	}
	require.Equal(t, 1, logs.FilterMessageSnippet("only counted").Len())
	require.NoError(t, f.StartResync(t.Context()))
	f.resynced()
	require.Len(t, logs.FilterMessageSnippet("the policy refuses it").All(), 2*resyncLogged, "another one says it again")
}

// blocking is a policy that waits.
type blocking struct{ in, out chan struct{} }

func (b blocking) Evaluate(ctx context.Context, _ Evaluation) (Outcome, error) {
	select {
	case b.in <- struct{}{}:
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
	select {
	case <-b.out:
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
	return Outcome{Channels: []string{"x"}}, nil
}

func TestResyncIsStoppedAndOneRunsAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	b := blocking{make(chan struct{}), make(chan struct{})}
	f.Collection.SetPolicy(Policy{Evaluator: b, Version: "1"})
	require.NoError(t, f.StartResync(t.Context()))
	<-b.in
	require.ErrorIs(t, f.StartResync(t.Context()), ErrResyncRunning)
	stopped, err := f.StopResync(t.Context())
	require.NoError(t, err)
	require.True(t, stopped)
	require.Equal(t, ResyncStopped, f.resynced().State)
	stopped, err = f.StopResync(t.Context())
	require.NoError(t, err)
	require.False(t, stopped, "none is running")
	require.NoError(t, f.StartResync(t.Context()))
	<-b.in
	close(b.out)
	require.Equal(t, ResyncCompleted, f.resynced().State)
}

// One document that cannot be read does not keep the others where they are.
func TestResyncGoesOnPastDocumentsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	f := newFixture(t)
	for n := range 30 {
		f.put(fmt.Sprintf("d%02d", n), `{}`, Rev{})
	}
	for _, id := range []string{"d00", "d17", "d18", "d29"} {
		f.damage(id)
	}
	f.reopen(func(o *Options) { o.Logger = zap.New(core) })
	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "1"})
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.EqualValues(t, 4, status.Errors)
	require.EqualValues(t, 26, status.Changed)
	require.EqualValues(t, 30, status.Processed)
	require.Equal(t, 4, logs.FilterMessageSnippet("left a document where it is").Len())
}

// A resync does not hold all documents of a page, which may be of 20 MiB each.
func TestAResyncHoldsFewLargeDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const size = 4 * stateBytes / resyncPage
	for n := range resyncPage {
		f.put(fmt.Sprint("doc", n), fmt.Sprintf(`{"text":"%0*d"}`, size, 0), Rev{})
	}
	f.reopen()
	meter := &readMeter{Engine: f.store.engine}
	f.store.engine = meter
	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "1"})
	require.NoError(t, f.StartResync(t.Context()))
	require.EqualValues(t, resyncPage, f.resynced().Changed)
	require.Less(t, meter.view, stateBytes+readsAtOnce*2*size)
}

// That a document was not there when a device proposed it is known for a moment longer than it is true.
func TestResyncPassesOverNoDocumentThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	base := f.store.committer.committed.Load()
	f.put("a", `{}`, Rev{})
	f.store.cache.clear()
	f.store.absent.note([]string{string(f.scope.head("a"))}, base)
	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "1"})
	require.NoError(t, f.StartResync(t.Context()))
	require.EqualValues(t, 1, f.resynced().Changed)
}

// What has no body beside its head is passed over, too.
func TestResyncGoesOnPastADamagedDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "1-b")
	f.pushed("a", `{}`, "1-a")
	f.put("z", `{}`, Rev{})
	require.NoError(t, f.engine.Update(t.Context(), func(tx engine.Txn) error {
		return tx.Delete(f.scope.body("a", Rev{1, "a"}))
	}))
	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "1"})
	require.NoError(t, f.StartResync(t.Context()))
	status := f.resynced()
	require.Equal(t, uint64(1), status.Errors)
	require.Equal(t, uint64(1), status.Changed)
	require.Contains(t, status.LastError, "1-a")
}

// fullEngine has no room when it is full.
type fullEngine struct {
	engine.Engine
	full  atomic.Bool
	tries atomic.Int64
}

func (e *fullEngine) Update(ctx context.Context, fn func(engine.Txn) error) error {
	if e.full.Load() && e.tries.Add(1) < 1000 { // no more, for a test that fails is to end
		return engine.ErrNoSpace
	}
	return e.Engine.Update(ctx, fn)
}

func TestAResyncThatEndsOnAFullDiskTriesToSaySoEachSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := &fullEngine{Engine: memory.New()}
		store, err := Open(t.Context(), disk, Options{})
		require.NoError(t, err)
		defer func() { require.NoError(t, store.Close()) }()
		db, err := store.CreateDatabase(t.Context(), "db")
		require.NoError(t, err)
		c := db.Default()
		require.NoError(t, c.Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err)
		policy := &recorder{refuse: func(Evaluation) error { disk.full.Store(true); return nil }} // and nothing changes
		c.SetPolicy(Policy{Evaluator: policy, Version: "1"})
		require.NoError(t, c.StartResync(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.InDelta(t, 60, disk.tries.Load(), 10)
		disk.full.Store(false)
		time.Sleep(2 * resyncAgain)
		status, err := c.ResyncStatus(t.Context())
		require.NoError(t, err)
		require.Equal(t, ResyncCompleted, status.State)
	})
}
