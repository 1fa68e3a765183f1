package peer

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
)

const (
	// saveEvery is how often at most a checkpoint is written while a replication gets on.
	saveEvery = 5 * time.Second
	// giveUpAfter is how often a document fails for a reason that might pass until it is given
	// up: one that always does must not stop the rest.
	giveUpAfter = 3
	// busyTries is how often a request is sent to a server that is busy.
	busyTries = 5
)

// session is a replication from a checkpoint to its end, or to the first failure.
type session struct {
	*Replication
	local Local
	// to is the other server: the source of a pull, the target of a push. target is that of a
	// pull which does not write here, nil otherwise.
	to, target *remote
	points     checkpoints
	// onlyIDs, if not nil, are the documents that the feed is limited to, whatever the options say.
	onlyIDs []string
	// lost, if not nil, takes what failed gives up, in place of counting it.
	lost func(id, rev string, reason error)
	// retakes: what fails is not tried again and again, since it has been.
	retakes bool
	// oneByOne: the other server has no _bulk_get. inParts: it has one that answers in parts only.
	oneByOne, inParts bool
	// asked is what was asked for last, answered are the documents that the answers say something of.
	asked    []wanted
	answered map[string]bool

	record SessionRecord
	seq    json.RawMessage
	end    feedEnd // of a pull's feed
	saved  time.Time
	dirty  bool // what is done is not in the checkpoint
}

// session runs one, and puts what it did into result.
func (r *Replication) session(ctx context.Context, result *Result) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &session{Replication: r, saved: time.Now()}
	if err := s.open(ctx, cancel); err != nil {
		return err
	}
	err := s.begin(ctx)
	if err != nil {
		return err
	}
	if err = s.retake(ctx); err == nil && r.o.Direction == Pull {
		err = s.pull(ctx)
	} else if err == nil {
		err = s.push(ctx)
	}
	if err == nil {
		err = s.save(ctx, true)
	} else if ctx.Err() == nil {
		err = errors.Join(err, s.save(ctx, true)) // what was done before the failure
	}
	if err != nil {
		return err
	}
	result.SessionID, result.LastSeq = s.record.SessionID, s.seq
	result.NoChanges = s.record.Saved == 0
	result.Sessions = s.points.here.known.sessions()
	if result.NoChanges {
		result.Sessions = append([]SessionRecord{s.record}, result.Sessions...)
	}
	return nil
}

func (c *checkpoint) sessions() []SessionRecord {
	if c == nil {
		return nil
	}
	return c.Sessions
}

// open finds the two sides.
func (s *session) open(ctx context.Context, cancel context.CancelCauseFunc) (err error) {
	s.to = s.remote(&s.o.Remote, ErrRemote)
	if err := s.o.Remote.Credentials.refresh(); err != nil {
		return err
	}
	if s.o.Target != nil {
		s.target = s.remote(s.o.Target, ErrTarget)
		return s.o.Target.Credentials.refresh()
	}
	if s.local, err = s.o.Open(); err != nil {
		return err
	}
	go func() { // a database that is deleted meanwhile, and made again, is another one
		select {
		case <-s.local.Database.Done():
			cancel(errors.New("the database was deleted"))
		case <-ctx.Done():
		}
	}()
	return nil
}

func (r *Replication) remote(to *Remote, who error) *remote {
	client := r.client
	if to.Transport != nil {
		client = newClient(to.Transport)
	}
	one := &remote{to: to, client: client, patience: r.o.Patience, who: who}
	if r.o.Target != nil { // nobody looks after it: what a server refuses since it is busy is not worth a session
		one.tries, one.delay = busyTries, r.o.MinDelay
	}
	return one
}

// begin looks whether the other side is there, and where to go on.
func (s *session) begin(ctx context.Context) error {
	var info databaseInfo
	err := s.to.get(ctx, ask{method: http.MethodGet}, maxCheckpoint, &info)
	if s.o.CreateTarget && s.o.Direction == Push && isStatus(err, http.StatusNotFound) {
		if err = s.to.get(ctx, ask{method: http.MethodPut}, maxCheckpoint, &struct{}{}); isStatus(err, http.StatusPreconditionFailed) {
			err = nil // somebody was quicker
		}
	}
	if err != nil {
		return err
	}
	if s.target != nil {
		if err = s.target.get(ctx, ask{method: http.MethodGet}, maxCheckpoint, &struct{}{}); err != nil {
			return err
		}
	}
	s.end = s.to.feedEnd(info)
	s.points = s.keepers()
	if s.seq, err = s.points.load(ctx); err != nil {
		return err
	}
	s.recall(s.points.here.known, s.points.there.known)
	var random [16]byte
	_, _ = crand.Read(random[:]) // crypto/rand never fails
	now := httpTime(time.Now())
	s.record = SessionRecord{
		SessionID: hex.EncodeToString(random[:]), StartTime: now, EndTime: now, StartLastSeq: s.seq, EndLastSeq: s.seq, RecordedSeq: s.seq,
	}
	s.progress.change(func(p *Status) { p.State, p.Seq = Running, s.seq })
	s.log().Info("replication goes on", zap.ByteString("since", s.seq))
	return nil
}

// keepers are where the checkpoints are.
func (s *session) keepers() checkpoints {
	points := checkpoints{id: s.id, pushes: s.o.Direction == Push}
	if s.target != nil {
		points.here.keeper = s.target
	} else {
		local := localKeeper{collection: s.local.Collection}
		if s.o.Viewer != nil {
			local.owner = s.o.Viewer.Name
		}
		points.here.keeper = local
	}
	if !s.o.ReadOnly {
		points.there.keeper = s.to
	}
	return points
}

// reached says that everything up to a sequence of the source is replicated.
func (s *session) reached(ctx context.Context, seq json.RawMessage) error {
	if string(seq) != string(s.seq) {
		s.seq, s.dirty = seq, true
		clear(s.blamed)
		clear(s.told)
	}
	s.progress.change(func(p *Status) { p.State, p.Seq, p.Error, p.Attempts = Running, s.seq, "", 0 })
	return s.save(ctx, false)
}

// save writes the checkpoint if there is something to write, and it is time to.
func (s *session) save(ctx context.Context, now bool) error {
	if !s.dirty || !now && time.Since(s.saved) < saveEvery {
		return nil
	}
	s.record.EndTime, s.record.EndLastSeq, s.record.RecordedSeq = httpTime(time.Now()), s.seq, s.seq
	s.record.Saved++
	if err := s.points.save(ctx, s.record, &s.left); err != nil {
		return err
	}
	s.dirty, s.saved = false, time.Now()
	return nil
}

// idle says that there is nothing to do for now.
func (s *session) idle(ctx context.Context) error {
	if err := s.retake(ctx); err != nil {
		return err
	}
	if err := s.save(ctx, true); err != nil {
		return err
	}
	s.idled = true
	s.progress.change(func(p *Status) { p.State = Idle })
	return nil
}

// read, wrote, compared and failed count what was done.
func (s *session) read(n int) {
	s.record.DocsRead += uint64(n)
	s.progress.change(func(p *Status) { p.Read += uint64(n) })
}

func (s *session) wrote(n int) {
	s.record.DocsWritten += uint64(n)
	s.progress.change(func(p *Status) { p.Written += uint64(n) })
}

func (s *session) compared(checked, missing int) {
	s.record.MissingChecked += uint64(checked)
	s.record.MissingFound += uint64(missing)
	s.progress.change(func(p *Status) { p.Checked += uint64(checked); p.Missing += uint64(missing) })
}

// failed gives a revision up. The log has its ID, and nothing of what stands in it.
func (s *session) failed(id, rev string, reason error) {
	if s.lost != nil {
		s.lost(id, rev, reason)
		return
	}
	s.record.DocWriteFailures++
	s.leave(id, rev)
	key := id + "\x00" + rev
	if s.told[key] {
		return // by a session before this one
	}
	s.told[key] = true
	if s.o.OnFailure != nil {
		s.o.OnFailure(id, rev, reason)
	}
	s.progress.change(func(p *Status) { p.Failures++ })
	s.log().Warn("a document is not replicated", zap.String("id", short(id)), zap.String("rev", short(rev)), zap.String("reason", short(reason.Error())))
}

// declined says what becomes of a document that an answer refuses. It is given up if it is the document that
// is refused: not what stands before a database, and not the whole database, which may be there again soon.
func (s *session) declined(ctx context.Context, id, rev string, answer error) error {
	switch {
	case !ofDatabase(answer):
		return s.refused(id, rev, answer)
	case isStatus(answer, http.StatusForbidden):
		if err := s.reachable(ctx, answer); err != nil {
			return err
		}
	}
	s.failed(id, rev, answer)
	return nil
}

// reachable asks for the database that refused a document: CouchDB says 403 both of a document that it does not
// take, and of each to somebody who is no member.
func (s *session) reachable(ctx context.Context, answer error) error {
	at := s.to
	if s.target != nil && errors.Is(answer, ErrTarget) {
		at = s.target
	}
	return at.get(ctx, ask{method: http.MethodGet}, maxCheckpoint, new(json.RawMessage))
}

// refused says what becomes of a document that failed for a reason that might pass: an error
// lets the replication try again.
func (s *session) refused(id, rev string, reason error) error {
	if s.retakes {
		s.failed(id, rev, reason)
		return nil
	}
	key := id + "\x00" + rev
	if s.blamed[key]++; s.blamed[key] < giveUpAfter {
		return documentError{fmt.Errorf("a document failed: %w", reason)}
	}
	if s.blamed[key] == giveUpAfter {
		s.givenUp++
	}
	s.failed(id, rev, reason)
	return nil
}
