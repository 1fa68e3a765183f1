package syncstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	badgerengine "github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// vanish is a memory engine whose next update can be doubtful: visible at once, gone
// after Recover, as the interface allows.
type vanish struct {
	*memory.Engine
	mu      sync.Mutex
	armed   bool
	undo    map[string][]byte
	hold    chan struct{} // Recover waits for it (or ctx)
	scanned atomic.Int64
}

type spy struct {
	engine.Txn
	undo map[string][]byte
}

func (s *spy) note(k []byte) {
	if _, ok := s.undo[string(k)]; ok {
		return
	}
	v, err := s.Txn.Get(k)
	if err != nil {
		v = nil
	}
	s.undo[string(k)] = v
}
func (s *spy) Put(k, v []byte) error { s.note(k); return s.Txn.Put(k, v) }
func (s *spy) Delete(k []byte) error { s.note(k); return s.Txn.Delete(k) }

func (v *vanish) Update(ctx context.Context, fn func(engine.Txn) error) error {
	v.mu.Lock()
	armed, doubt := v.armed, v.undo != nil
	v.armed = false
	v.mu.Unlock()
	if doubt {
		return engine.ErrDoubtful
	}
	if !armed {
		return v.Engine.Update(ctx, fn)
	}
	s := &spy{undo: map[string][]byte{}}
	if err := v.Engine.Update(ctx, func(tx engine.Txn) error { s.Txn = tx; return fn(s) }); err != nil {
		return err
	}
	v.mu.Lock()
	v.undo = s.undo
	v.mu.Unlock()
	return engine.ErrDoubtful
}

func (v *vanish) Recover(ctx context.Context) error {
	if v.hold != nil {
		select {
		case <-v.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	err := v.Engine.Update(ctx, func(tx engine.Txn) error {
		for k, val := range v.undo {
			if val == nil {
				_ = tx.Delete([]byte(k))
			} else {
				_ = tx.Put([]byte(k), val)
			}
		}
		return nil
	})
	v.undo = nil
	return err
}

type countingReader struct {
	engine.Reader
	n *atomic.Int64
}

func (c *countingReader) Scan(r engine.Range) (iter.Seq2[[]byte, []byte], func() error) {
	pairs, failed := c.Reader.Scan(r)
	return func(yield func([]byte, []byte) bool) {
		for k, v := range pairs {
			if v != nil {
				c.n.Add(1)
			}
			if !yield(k, v) {
				return
			}
		}
	}, failed
}

func (v *vanish) View(ctx context.Context, fn func(engine.Reader) error) error {
	return v.Engine.View(ctx, func(r engine.Reader) error { return fn(&countingReader{r, &v.scanned}) })
}

func vanishing(t *testing.T) (*vanish, *Store, *Collection, *fakeClock) {
	t.Helper()
	v := &vanish{Engine: memory.New()}
	clock := &fakeClock{now: time.Unix(1_800_000_000, 0)}
	s, err := Open(t.Context(), v, Options{Now: clock.Now})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	db, err := s.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	return v, s, db.Default(), clock
}

// held blocks the committer until release is called.
func held(t *testing.T, s *Store) (release func()) {
	t.Helper()
	in, out := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.Records().Update(context.Background(), func(RecordTx) error { close(in); <-out; return nil })
	}()
	<-in
	return func() { close(out) }
}

func waiting(s *Store, n int) bool {
	s.committer.mu.Lock()
	defer s.committer.mu.Unlock()
	return s.committer.waiting >= n
}

func TestOneOfTwoCreationsOfANameInOneGroupSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	release := held(t, f.store)
	var dbs [2]*Database
	var errs [2]error
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { dbs[i], errs[i] = f.store.CreateDatabase(context.Background(), "twice") })
	}
	require.Eventually(t, func() bool { return waiting(f.store, 2) }, waitFor, tick)
	release()
	wg.Wait()
	var ok int
	for i := range 2 {
		if errs[i] == nil {
			ok++
			r := dbs[i].Default().Write(t.Context(), []Edit{{ID: fmt.Sprint(i)}}, WriteOptions{})
			require.NoError(t, r[0].Err)
		}
	}
	live, _ := f.store.Database("twice")
	for i := range 2 {
		if errs[i] == nil {
			_, err := live.Default().Get(t.Context(), fmt.Sprint(i), GetOptions{})
			if err != nil {
				t.Errorf("acknowledged write of creator %d is not in the database: %v", i, err)
			}
		}
	}
	if ok != 1 {
		t.Errorf("%d creators succeeded", ok)
	}
}

func (f *fixture) untilWritable() {
	require.Eventually(f.t, func() bool { return f.write(Edit{ID: "probe" + fmt.Sprint(time.Now().UnixNano())}).Err == nil }, waitFor, tick)
}

func TestADoubtfulDeletionThatStuckIsADeletion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.engine.FailNext(engine.ErrDoubtful)
	require.ErrorIs(t, f.store.DeleteDatabase(t.Context(), "db"), ErrUnavailable)
	require.Eventually(t, func() bool { return errors.Is(f.write(Edit{ID: "a"}).Err, ErrNoDatabase) }, waitFor, tick,
		"no write is acknowledged that the next start would lose")
	<-f.db.Done()
	_, err := f.store.Database("db")
	require.ErrorIs(t, err, ErrNoDatabase)
	_, err = f.store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
}

func TestADoubtfulCreationThatStuckIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.engine.FailNext(engine.ErrDoubtful)
	_, err := f.store.CreateDatabase(t.Context(), "x")
	require.ErrorIs(t, err, ErrUnavailable)
	f.untilWritable()
	_, err = f.store.CreateDatabase(t.Context(), "x")
	require.ErrorIs(t, err, ErrDatabaseExists)
	db, err := f.store.Database("x")
	require.NoError(t, err)
	require.NoError(t, db.Default().Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err)
	f.reopen()
	db, err = f.store.Database("x")
	require.NoError(t, err)
	_, err = db.Default().Get(t.Context(), "a", GetOptions{})
	require.NoError(t, err)
}

func TestADoubtfulCreationThatStuckHasItsPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.SetPolicies(func(database, _, _ string) Policy {
		if database != "x" {
			return Policy{} // a new version is noted by an update, which could take the failure
		}
		return Policy{Evaluator: namedPolicy{}, Version: "of " + database}
	})
	f.engine.FailNext(engine.ErrDoubtful)
	_, err := f.store.CreateDatabase(t.Context(), "x")
	require.ErrorIs(t, err, ErrUnavailable)
	var db *Database
	require.Eventually(t, func() bool {
		db, err = f.store.Database("x")
		return err == nil
	}, waitFor, tick)
	require.Equal(t, "of x", db.Default().Policy().Version)
	_, err = db.Default().Get(t.Context(), "a", GetOptions{Viewer: &Viewer{Name: "eve"}})
	require.ErrorIs(t, err, ErrNotFound)
}

// gate is a policy that holds its first write until it is let through.
type gate struct {
	in, out chan struct{}
	held    sync.Once
}

func (g *gate) Evaluate(context.Context, Evaluation) (Outcome, error) {
	g.held.Do(func() {
		g.in <- struct{}{}
		<-g.out
	})
	return Outcome{}, nil
}

func TestAWriteThatTurnsOutStaleWhilePreparedIsPreparedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "2-z", "1-y")
	f.pushed("a", `{}`, "1-b")
	g := &gate{in: make(chan struct{}), out: make(chan struct{})}
	done := make(chan error)
	go func() {
		done <- f.Write(context.Background(), []Edit{{ID: "a", Parent: Rev{2, "z"}, Deleted: true, Body: []byte(`{"w":1}`)}},
			WriteOptions{policy: g})[0].Err
	}()
	<-g.in
	f.remove("a", Rev{2, "z"}) // 1-b surfaces, its body moves
	close(g.out)
	err := <-done
	require.ErrorIs(t, err, ErrConflict)
}

func TestALeafThatSurfacesAfterItsTimeExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := f.clock.Now().Add(time.Hour)
	require.NoError(t, f.write(Edit{ID: "a", History: revs(t, "1-a"), Expires: at}).Err)
	f.pushed("a", `{}`, "1-b")
	f.clock.advance(2 * time.Hour)
	f.sweepNow()
	f.remove("a", Rev{1, "b"})
	for range 5 {
		f.clock.advance(24 * time.Hour)
		f.sweepNow()
	}
	_, err := f.Get(t.Context(), "a", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted)
}

// Two devices change a document that is to expire, each offline: both branches have its time.
func TestALeafThatSurfacesWithTheTimeOfTheOneBeforeExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := f.clock.Now().Add(time.Hour)
	for _, rev := range []string{"1-a", "1-b"} {
		require.NoError(t, f.write(Edit{ID: "a", History: revs(t, rev), Expires: at}).Err)
	}
	f.clock.advance(2 * time.Hour)
	f.sweepNow()
	_, err := f.Get(t.Context(), "a", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted, "in one go: clients do not get the second for the while until the next")
}

func TestOneThingThatCannotBeDoneDoesNotStopTheSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := f.clock.Now().Add(time.Minute)
	// Anybody who may push: the last generation, with an expiry.
	require.NoError(t, f.write(Edit{ID: "evil", History: []Rev{{MaxGeneration, "x"}}, Expires: at}).Err)
	require.NoError(t, f.write(Edit{ID: "good", Expires: at.Add(time.Minute)}).Err)
	other, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	require.NoError(t, other.Default().Write(t.Context(), []Edit{{ID: "o", Expires: at}}, WriteOptions{})[0].Err)
	f.clock.advance(time.Hour)
	for range 3 {
		_, err = f.store.sweepDue(t.Context())
		t.Log(err)
	}
	_, err = f.Get(t.Context(), "good", GetOptions{})
	if !errors.Is(err, ErrDeleted) {
		t.Errorf("good never expires: %v", err)
	}
	_, err = other.Default().Get(t.Context(), "o", GetOptions{})
	if !errors.Is(err, ErrDeleted) {
		t.Errorf("nor does another database's document: %v", err)
	}
}

func TestALongChannelNameFailsNoWriteOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, outcome := range []Outcome{
		{Channels: []string{strings.Repeat("x", 20<<10)}},
		{Grants: []Grant{{Principal: strings.Repeat("x", 20<<10), Channel: "c"}}},
		{Grants: []Grant{{Principal: "u", Channel: strings.Repeat("x", 20<<10)}}},
	} {
		require.ErrorIs(t, f.judged(&recorder{outcome: outcome}, Edit{ID: "a"}), ErrRejected)
	}
	set := &changeSet{db: f.db}
	set.put(make([]byte, engine.MaxKeySize+1), nil)
	other := &changeSet{db: f.db}
	other.put(f.scope.head("b"), nil)
	f.store.committer.commit(set, other)
	require.ErrorIs(t, set.err, ErrTooLarge)
	require.NoError(t, other.err)
}

func TestCommitsWithoutKeysAreNotRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for n := range 2000 {
		require.NoError(t, f.store.Records().Update(t.Context(), func(tx RecordTx) error {
			tx.Put(0, []byte("k"), []byte{byte(n)}, time.Time{})
			return nil
		}))
	}
	require.NoError(t, f.store.Close())
	require.Less(t, len(f.store.committer.recent.commits), 100)
}

func TestAStuckFeedDoesNotHoldWhatCameSince(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	feed := f.Follow(At(0), FeedOptions{})
	defer feed.Close()
	first := f.db.broadcast.end()
	for n := range 2000 {
		f.db.broadcast.publish([]row{{seq: uint64(n + 1)}})
	}
	held := 0
	for b := first; b != nil; b = b.next {
		held++
	}
	require.LessOrEqual(t, held, 2*keptBatches, "batches are reachable from a feed that does not read")
}

func TestDecision32ASequenceThatADoubtfulCommitShowedIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	v, s, c, _ := vanishing(t)
	v.hold = make(chan struct{})
	v.armed = true
	require.ErrorIs(t, c.Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err, ErrUnavailable)
	feed := c.Follow(At(0), FeedOptions{})
	var seen []string
	last, err := c.Changes(t.Context(), ChangesOptions{}, func(ch *Change) error {
		seen = append(seen, fmt.Sprintf("%d %s", ch.Seq, ch.ID))
		return nil
	})
	require.NoError(t, err)
	close(v.hold)
	require.Eventually(t, func() bool { return c.Write(t.Context(), []Edit{{ID: "b"}}, WriteOptions{})[0].Err == nil }, waitFor, tick)
	_, err = c.Changes(t.Context(), ChangesOptions{Since: last}, func(ch *Change) error {
		seen = append(seen, fmt.Sprintf("%d %s", ch.Seq, ch.ID))
		return nil
	})
	require.NoError(t, err)
	_ = feed
	t.Log(seen, "last", last)
	require.Contains(t, strings.Join(seen, ","), "b", "a client that read during the doubt never hears of b")
	_ = s
}

func TestDecision32AKnownRevisionIsNotAcknowledgedWhileItsCommitIsInDoubt(t *testing.T) {
	t.Parallel()
	v, _, c, _ := vanishing(t)
	v.hold = make(chan struct{})
	v.armed = true
	e := []Edit{{ID: "a", History: []Rev{{1, "a"}}}}
	require.ErrorIs(t, c.Write(t.Context(), e, WriteOptions{})[0].Err, ErrUnavailable)
	again := c.Write(t.Context(), e, WriteOptions{})[0].Err // the client tries again
	close(v.hold)
	require.Eventually(t, func() bool { return c.Write(t.Context(), []Edit{{ID: "b"}}, WriteOptions{})[0].Err == nil }, waitFor, tick)
	_, err := c.Get(t.Context(), "a", GetOptions{})
	if again == nil && err != nil {
		t.Errorf("acknowledged and lost: %v", err)
	}
}

func TestDecision32AFeedGoesOnAfterADoubtfulCommitThatIsGone(t *testing.T) {
	t.Parallel()
	v, s, c, _ := vanishing(t)
	require.NoError(t, c.Write(t.Context(), []Edit{{ID: "first"}}, WriteOptions{})[0].Err)
	v.hold = make(chan struct{})
	v.armed = true
	require.ErrorIs(t, c.Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err, ErrUnavailable)
	feed := c.Follow(At(2), FeedOptions{}) // a client that read sequence 2 during the doubt
	defer feed.Close()
	close(v.hold)
	require.Eventually(t, func() bool { return s.Records().Update(t.Context(), func(RecordTx) error { return nil }) == nil }, waitFor, tick)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	<-feed.Ready()
	_, err := feed.Read(ctx, 0, func(*Change) error { return nil })
	require.NoError(t, err, "Read spins until its context ends")
}

func TestGetLatestOfACachedDocumentWithConflicts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "2-z", "1-y")
	f.pushed("a", `{}`, "1-b")
	f.get("a", GetOptions{})
	_, err := f.Get(t.Context(), "a", GetOptions{Rev: Rev{2, "z"}, Latest: true})
	require.NoError(t, err)
}

func TestAnUploadThatWasSweptCannotGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.db.NewUpload(t.Context())
	_, err := u.Write(randomBytes(chunkSize))
	require.NoError(t, err)
	f.clock.advance(61 * time.Minute)
	f.sweepNow()
	_, err = u.Write(randomBytes(10))
	if err != nil {
		return
	}
	c, err := u.Commit(t.Context())
	if err != nil {
		return
	}
	require.Len(t, f.content(c), chunkSize+10)
}

func TestAnUploadThatFinishedMeanwhileIsNotSwept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.db.NewUpload(t.Context())
	_, err := u.Write(randomBytes(chunkSize))
	require.NoError(t, err)
	f.clock.advance(61 * time.Minute)
	listed := engine.PrefixRange(f.scope.prefix(kindDue, 0))
	listed.Limit, listed.KeysOnly = maxBackgroundKeys, true
	keys, _, err := f.store.dueKeys(t.Context(), listed, nil) // the sweeper's listing
	require.NoError(t, err)
	require.Len(t, keys, 1)
	c, err := u.Commit(t.Context()) // comes back meanwhile
	require.NoError(t, err)
	require.NoError(t, handleDue(t.Context(), f.store, f.db, keys[0]))
	require.Len(t, f.content(c), chunkSize)
}

func TestAWriteCannotNameContentThatIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.upload([]byte("first part"))
	f.clock.advance(61 * time.Minute) // the other parts of a multipart body take their time
	f.sweepNow()
	r := f.write(Edit{ID: "a", Attachments: []AttachmentEdit{{Name: "x", Content: c}}})
	if r.Err != nil {
		return
	}
	_, err := f.db.OpenContent(t.Context(), c)
	require.NoError(t, err, "the write was acknowledged, its attachment is gone")
}

func TestAGrantNamedTwiceIsOneGrant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := &recorder{outcome: Outcome{Grants: []Grant{{"alice", "red"}, {"alice", "red"}}}}
	require.NoError(t, f.judged(p, Edit{ID: "a", History: revs(t, "1-a")}))
	require.NoError(t, f.judged(p, Edit{ID: "a", History: revs(t, "2-b", "1-a")}))
	require.NoError(t, f.engine.View(t.Context(), func(r engine.Reader) error {
		from, err := r.Get(f.scope.grant(f.scope.madeBy("a", Grant{"alice", "red"})))
		require.NoError(t, err)
		require.Equal(t, byte(1), from[7], "alice has it since sequence 1")
		return nil
	}))
}

func TestARemovalIsNotForgottenByTheNextChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := &recorder{outcome: Outcome{Channels: []string{"blue"}}}
	require.NoError(t, f.judged(p, Edit{ID: "a", History: revs(t, "1-a")}))
	p.outcome.Channels = []string{"red"}
	require.NoError(t, f.judged(p, Edit{ID: "a", History: revs(t, "2-b", "1-a")}))
	require.NoError(t, f.judged(p, Edit{ID: "a", History: revs(t, "3-c", "2-b")}))
	require.NotEmpty(t, f.channelRows("blue"), "a client of blue at since=1 is never told that the document left")
}

func TestDecision30RecordsOfADeletedDatabaseAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, sc := f.db.ID(), f.scope
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "db"))
	require.Eventually(t, func() bool {
		n := 0
		_ = f.engine.View(context.Background(), func(r engine.Reader) error {
			if _, err := r.Get(databaseKey(id)); err == nil {
				n = 1
			}
			return nil
		})
		return n == 0
	}, waitFor, tick)
	err := f.store.Records().Update(t.Context(), func(tx RecordTx) error {
		tx.Put(id, []byte("k"), []byte("v"), f.clock.Now().Add(time.Minute))
		return nil
	})
	f.clock.advance(time.Hour)
	f.sweepNow()
	f.reopenStore()
	f.sweepNow()
	if err == nil && f.keysOf(sc, kindRecord)+f.keysOf(sc, kindDue) != 0 {
		t.Errorf("accepted, and %d keys stay forever", f.keysOf(sc, kindRecord)+f.keysOf(sc, kindDue))
	}
}

func (f *fixture) reopenStore() {
	require.NoError(f.t, f.store.Close())
	f.open()
}

func TestDecision31GroupsOfRecordsAreBounded(t *testing.T) {
	t.Parallel()
	eng, err := badgerengine.Open(t.TempDir(), badgerengine.Options{MinFree: 1})
	require.NoError(t, err)
	defer eng.Close()
	s, err := Open(t.Context(), eng, Options{})
	require.NoError(t, err)
	defer s.Close()
	db, err := s.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	release := held(t, s)
	before := s.Stats().Groups
	var failed atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	const n = 3000
	for i := range n {
		wg.Go(func() { // a session of 2 KB with an expiry
			err := s.Records().Update(context.Background(), func(tx RecordTx) error {
				tx.Put(0, fmt.Appendf(nil, "session%d", i), make([]byte, 2000), time.Now().Add(time.Hour))
				return nil
			})
			if err != nil {
				failed.Add(1)
				first.Store(&err)
			}
		})
	}
	var doc error
	wg.Go(func() { doc = db.Default().Write(context.Background(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err })
	require.Eventually(t, func() bool { return waiting(s, n+1) }, waitFor, tick)
	release()
	wg.Wait()
	if e := first.Load(); e != nil {
		t.Log(*e)
	}
	t.Log("groups", s.Stats().Groups-before, "failed", failed.Load(), "document", doc)
	require.Zero(t, failed.Load(), "of them failed")
}

func TestCloseDoesNotWaitForARecoverThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	v, s, c, _ := vanishing(t)
	v.hold = make(chan struct{})
	defer close(v.hold)
	v.armed = true
	_ = c.Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})
	closed := make(chan struct{})
	go func() { _ = s.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(2 * time.Second):
		t.Fatal("Close waits for a Recover that does not end")
	}
}

func TestTheCacheCountsWhatHeadsHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.Cache = 64 << 20 })
	p := &recorder{}
	for n := range 200 {
		p.outcome.Grants = append(p.outcome.Grants, Grant{Principal: fmt.Sprint("user", n), Channel: "c"})
	}
	for d := range 20 {
		require.NoError(t, f.judged(p, Edit{ID: numbered(d)}))
	}
	var held, counted int64
	for i := range f.store.cache.shards {
		s := &f.store.cache.shards[i]
		counted += s.size
		for _, e := range s.entries {
			held += int64(len(e.Value.(*cacheEntry).head.encode()))
		}
	}
	require.NotZero(t, held)
	require.LessOrEqual(t, held, counted)
}

func TestThingsThatAreDueAreCommittedTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.OldBodies = time.Minute })
	for n := range 200 {
		r := f.put(numbered(n), `{}`, Rev{})
		f.put(numbered(n), `{"n":1}`, r)
	}
	f.clock.advance(time.Hour)
	before := f.store.Stats().Groups
	require.Equal(t, 200, f.sweepNow())
	require.Less(t, f.store.Stats().Groups-before, uint64(50))
}

func TestDroppingABodyReadsNoOthers(t *testing.T) {
	t.Parallel()
	v, s, c, clock := vanishing(t)
	rev := Rev{}
	const n = 300
	for i := range n {
		r := c.Write(t.Context(), []Edit{{ID: "a", Parent: rev, Body: fmt.Appendf(nil, `{"n":%d}`, i)}}, WriteOptions{})[0]
		require.NoError(t, r.Err)
		rev = r.Rev
	}
	clock.advance(48 * time.Hour)
	v.scanned.Store(0)
	_, err := s.sweepDue(t.Context())
	require.NoError(t, err)
	require.Less(t, v.scanned.Load(), int64(10*n), "bodies read to drop %d bodies that have no attachment", n)
}

func TestAnEditThatMakesAKnownRevisionConflicts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{}`, Rev{})
	second := newRevision(first, &Edit{Body: []byte(`{"n":2}`)}, nil) // as another server of this kind names the same edit
	require.NoError(t, f.write(Edit{ID: "a", Body: []byte(`{"n":3}`), History: []Rev{{3, "x"}, second}}).Err)
	r := f.write(Edit{ID: "a", Body: []byte(`{"n":2}`), Parent: first})
	t.Log(r.Rev, r.Err, f.leaves("a"))
	require.Equal(t, []string{"3-x"}, func() []string {
		if r.Err != nil {
			return []string{"3-x"}
		}
		return f.leaves("a")
	}(), "2-… is an ancestor of 3-x, not a conflict")
}

func TestADatabaseMadeDuringCloseIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	release := held(t, f.store)
	var db *Database
	made := make(chan struct{})
	go func() { db, _ = f.store.CreateDatabase(context.Background(), "late"); close(made) }()
	require.Eventually(t, func() bool { return waiting(f.store, 1) }, waitFor, tick)
	closed := make(chan struct{})
	go func() { _ = f.store.Close(); close(closed) }()
	<-f.store.ctx.Done()
	release()
	<-made
	<-closed
	if db == nil {
		return
	}
	select {
	case <-db.Done():
	default:
		t.Error("a feed of it would wait forever")
	}
}

func TestClearingGoesOnAfterADoubtfulCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for n := range 5 {
		f.put(numbered(n), `{}`, Rev{})
	}
	_, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	sc := f.scope
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "db"))
	f.engine.FailNext(engine.ErrDoubtful)
	require.Eventually(t, func() bool {
		_, _ = f.store.sweepDue(t.Context())
		return f.keysOf(sc, kindSeq)+f.keysOf(sc, kindCounters) == 0
	}, waitFor, tick, "left until the next start")
}

func TestOneOfTwoDeletionsInOneGroupSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	release := held(t, f.store)
	var errs [2]error
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { errs[i] = f.store.DeleteDatabase(context.Background(), "db") })
	}
	require.Eventually(t, func() bool { return waiting(f.store, 2) }, waitFor, tick)
	release()
	wg.Wait()
	require.NotEqual(t, errs[0] == nil, errs[1] == nil, "%v %v", errs[0], errs[1])
}

func handleDue(ctx context.Context, s *Store, db *Database, key []byte) error {
	work, err := s.dueSet(ctx, db, [][]byte{key})
	if err != nil {
		return err
	}
	s.committer.commitBackground(work.set)
	return work.set.err
}
