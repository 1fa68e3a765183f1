package peer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Comparison is what Compare found.
type Comparison struct {
	// Docs counts the documents of the source, of which Deleted are tombstones, Leaves their
	// leaves and Attachments those of the leaves.
	Docs, Deleted, Leaves, Attachments uint64
	// Different counts the documents that are not the same at the target. Ahead are those that
	// have all of the source at the target, and revisions of its own beside or after it: they were
	// written to there.
	Different, Ahead uint64
	// Source and Target are sums over all leaves of the source, as each side gives them: names of
	// revisions, bodies and attachments. They do not depend on the order of the documents.
	Source, Target Sum
}

// Sum adds up hashes.
type Sum struct{ total big.Int }

// String is the sum in 64 hex digits.
func (s *Sum) String() string { return fmt.Sprintf("%064x", &s.total) }

func (s *Sum) add(hash [sha256.Size]byte) {
	var n big.Int
	n.SetBytes(hash[:])
	s.total.Add(&s.total, &n)
	n.Lsh(big.NewInt(1), 8*sha256.Size)
	s.total.Mod(&s.total, &n)
}

// Difference is a document that is not the same on both sides.
type Difference struct {
	ID string
	// What is not, such as "revision 2-a is not there".
	What string
}

// Compare reads all documents of the source, or those of some IDs, and looks whether the target has
// the same: the winner, the leaves, their ancestry, bodies and attachments by their digests. Both
// sides are read a page at a time, in the order of the source's feed, and nothing is kept of a
// page. It is for a Pull with a Target. A failure that may pass is tried again.
func (r *Replication) Compare(ctx context.Context, ids []string, progress func(*Comparison), each func(Difference)) (*Comparison, error) {
	defer r.client.CloseIdleConnections()
	c := comparing{Replication: r, seq: beginning(), ids: ids, each: each}
	for failures := 0; ; {
		givenUp := r.givenUp
		done, err := c.page(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil && done:
			return &c.Comparison, nil
		case err == nil:
			failures = 0
			progress(&c.Comparison)
			continue
		}
		if r.givenUp > givenUp {
			failures = 0 // it comes to its end, however many documents are like that
		}
		failures++
		if permanent(err) || failures >= r.o.Attempts {
			return nil, err
		}
		if err := r.pause(ctx, failures, err); err != nil {
			return nil, err
		}
	}
}

// Retake takes over what the target misses of some documents, whatever the checkpoint says: OnFailure
// is told why it does not take them.
func (r *Replication) Retake(ctx context.Context, ids []string) error {
	clear(r.told)
	for some := range slices.Chunk(ids, r.o.Batch) {
		s := &session{Replication: r, seq: beginning(), onlyIDs: some, retakes: true}
		if err := s.open(ctx, nil); err != nil {
			return err
		}
		if err := s.takeAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// takeAll takes over what is missing of the documents that the feed is limited to.
func (s *session) takeAll(ctx context.Context) error {
	s.end = s.to.feedEnd(databaseInfo{})
	for last := false; !last; {
		p, err := s.changes(ctx, false)
		if err != nil {
			return err
		}
		if last, err = s.end.is(&p, s.seq, s.o.Batch); err != nil {
			return err
		}
		if err := s.take(ctx, p.changes); err != nil {
			return err
		}
		s.seq = p.last
	}
	return nil
}

// comparing is a comparison that is under way.
type comparing struct {
	*Replication
	Comparison
	seq  json.RawMessage
	end  *feedEnd // nil until the first page
	ids  []string
	each func(Difference)
}

// reader makes a session that only reads from one of the sides. What that does not give is noted in
// lost, by documents.
func (c *comparing) reader(to *Remote, who error, lost map[string]string) *session {
	return &session{
		Replication: c.Replication, to: c.remote(to, who), seq: c.seq, onlyIDs: c.ids,
		lost: func(id, _ string, reason error) { lost[id] = reason.Error() },
	}
}

// page compares a page of the feed, and reports whether it was the last.
func (c *comparing) page(ctx context.Context) (done bool, err error) {
	lost := make(map[string]string)
	there, here := c.reader(&c.o.Remote, ErrRemote, lost), c.reader(c.o.Target, ErrTarget, lost)
	if c.end == nil {
		var info databaseInfo
		if err := there.to.get(ctx, ask{method: http.MethodGet}, maxCheckpoint, &info); err != nil {
			return false, err
		}
		end := there.to.feedEnd(info)
		c.end = &end
	}
	p, err := there.changes(ctx, false)
	if err != nil {
		return false, err
	}
	if done, err = c.end.is(&p, c.seq, c.o.Batch); err != nil {
		return false, err
	}
	p.changes = slices.DeleteFunc(p.changes, func(one change) bool { return one.removed })
	if len(p.changes) > 0 {
		if err := c.compare(ctx, there, here, p.changes, lost); err != nil {
			return false, err
		}
	}
	c.seq = p.last
	return done, nil
}

// reading is what a side has of a page.
type reading struct {
	leaves  map[string][]syncstore.Rev
	winners map[string]string
	docs    *hashing
}

func (c *comparing) compare(ctx context.Context, there, here *session, changes []change, lost map[string]string) error {
	ids := make([]string, len(changes))
	source := reading{leaves: make(map[string][]syncstore.Rev)}
	for i, one := range changes {
		ids[i] = one.id
		source.leaves[one.id] = one.revs
	}
	leaves, err := here.leavesOf(ctx, ids)
	if err != nil {
		return err
	}
	target := reading{leaves: leaves}
	absent, err := c.missingOf(ctx, here, changes, leaves)
	if err != nil {
		return err
	}
	for at, side := range map[*session]*reading{there: &source, here: &target} {
		if side.winners, err = at.winnersOf(ctx, ids); err != nil {
			return err
		}
		if side.docs, err = at.hashesOf(ctx, changes, side.leaves); err != nil {
			return err
		}
	}
	for _, one := range changes {
		c.judge(one, &source, &target, absent[one.id], lost[one.id])
	}
	return nil
}

// missingOf asks which of the leaves that are none at the target are not there at all.
func (c *comparing) missingOf(ctx context.Context, here *session, changes []change, leaves map[string][]syncstore.Rev) (map[string][]syncstore.Rev, error) {
	var doubtful []change
	for _, one := range changes {
		other := change{id: one.id}
		for _, rev := range one.revs {
			if !slices.Contains(leaves[one.id], rev) {
				other.revs = append(other.revs, rev)
			}
		}
		if len(other.revs) > 0 {
			doubtful = append(doubtful, other)
		}
	}
	missing := make(map[string][]syncstore.Rev)
	if len(doubtful) == 0 {
		return missing, nil
	}
	found, err := here.missingThere(ctx, here.to, doubtful)
	for _, one := range found {
		missing[one.id] = one.revs
	}
	return missing, err
}

// judge compares a document. lost is why one of the sides did not give some of it, "" if both did.
func (c *comparing) judge(one change, source, target *reading, absent []syncstore.Rev, lost string) {
	c.Docs++
	deleted, what := len(one.revs) > 0, lost
	ahead := false
	for _, rev := range one.revs {
		c.Leaves++
		a, b := source.docs.of(one.id, rev), target.docs.of(one.id, rev)
		if a != nil {
			c.Source.add(a.total(one.id, rev))
			c.Attachments += uint64(len(a.attachments))
			deleted = deleted && a.deleted
		}
		if b != nil {
			c.Target.add(b.total(one.id, rev))
		}
		switch {
		case slices.Contains(absent, rev):
			what = "revision " + rev.String() + " is not there"
		case !slices.Contains(target.leaves[one.id], rev):
			ahead = true // it is an ancestor there
		case what == "":
			what = a.differs(b, rev)
		}
	}
	if deleted {
		c.Deleted++
	}
	for _, rev := range target.leaves[one.id] {
		ahead = ahead || !slices.Contains(one.revs, rev)
	}
	if winner, other := source.winners[one.id], target.winners[one.id]; what == "" && !ahead && winner != "" && other != "" && winner != other {
		what = "the winner is " + winner + ", and " + other + " at the target"
	}
	switch {
	case what != "":
		c.Different++
		c.each(Difference{ID: one.id, What: what})
	case ahead:
		c.Ahead++
	}
}

// leavesOf reads the leaves of some documents.
func (s *session) leavesOf(ctx context.Context, ids []string) (map[string][]syncstore.Rev, error) {
	a := ask{path: "_changes", query: url.Values{"style": {"all_docs"}, "limit": {strconv.Itoa(len(ids))}}}
	if err := byIDs(&a, ids); err != nil {
		return nil, err
	}
	leaves := make(map[string][]syncstore.Rev, len(ids))
	end, since := s.to.feedEnd(databaseInfo{}), beginning()
	for last := false; !last && len(leaves) < len(ids); {
		a.query.Set("since", sinceText(since))
		p, err := s.readPage(ctx, s.to, a)
		if err != nil {
			return nil, err
		}
		if last, err = end.is(&p, since, len(ids)); err != nil {
			return nil, err
		}
		for _, one := range p.changes {
			leaves[one.id] = one.revs
		}
		since = p.last
	}
	return leaves, nil
}

// winnersOf reads which revisions win. A server that does not say of some, or of all, says
// nothing wrong: Sync Gateway does not of tombstones.
func (s *session) winnersOf(ctx context.Context, ids []string) (map[string]string, error) {
	text, err := json.Marshal(map[string]any{"keys": ids})
	if err != nil {
		return nil, fmt.Errorf("asking for winners: %w", err)
	}
	var answer struct {
		Rows []struct {
			ID    string `json:"id"`
			Value struct {
				Rev string `json:"rev"`
			} `json:"value"`
		} `json:"rows"`
	}
	err = s.to.get(ctx, ask{method: http.MethodPost, path: "_all_docs", json: text}, maxPage, &answer)
	if isStatus(err, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest) {
		return nil, nil
	}
	winners := make(map[string]string, len(answer.Rows))
	for _, row := range answer.Rows {
		winners[row.ID] = row.Value.Rev
	}
	return winners, err
}

// hashesOf reads the documents of the leaves that the source has and this side too.
func (s *session) hashesOf(ctx context.Context, changes []change, leaves map[string][]syncstore.Rev) (*hashing, error) {
	var want []wanted
	for _, one := range changes {
		for _, rev := range one.revs {
			if slices.Contains(leaves[one.id], rev) {
				want = append(want, wanted{id: one.id, rev: rev})
			}
		}
	}
	h := &hashing{docs: make(map[string]*hashed)}
	for some := range slices.Chunk(want, fetchAtOnce) {
		if err := s.fetch(ctx, some, h); err != nil {
			return nil, err
		}
	}
	return h, nil
}
