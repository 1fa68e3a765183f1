package syncstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Proposal is a revision that a peer wants to send (reference/blip.md 3.9). Exactly one of
// Rev and Vector.Current is set.
type Proposal struct {
	ID     string
	Rev    Rev
	Vector Vector
	// Legacy are the tree IDs that came with the vector, as in Edit.History.
	Legacy []Rev
	// Parent or ParentVersion is the revision that the peer believes to be the server's
	// current one; both zero: none.
	Parent        Rev
	ParentVersion Version
}

// ProposalStatus answers a Proposal.
type ProposalStatus int

const (
	// ProposalWanted means: send it.
	ProposalWanted ProposalStatus = 0
	// ProposalKnown means that the revision, or one that covers it, is here.
	ProposalKnown ProposalStatus = 304
	// ProposalConflict means that it does not extend what is here.
	ProposalConflict ProposalStatus = 409
)

// ProposalAnswer answers one Proposal, in its place.
type ProposalAnswer struct {
	Status ProposalStatus
	// Rev and Version are the document's current ones, if it has any that the viewer may
	// see. Version may be zero in a document that was written before versions were kept.
	Rev     Rev
	Version Version
}

// Propose says which revisions of a peer are wanted, from one snapshot. It is a forecast:
// the write decides. A document whose winner the viewer may not see is answered as a conflict
// without a revision, unless the proposal names the current revision itself: who may write
// what they may not read goes on doing so. An ID that is no document's is wanted: the write
// says what is wrong.
func (c *Collection) Propose(ctx context.Context, viewer *Viewer, proposals []Proposal) ([]ProposalAnswer, error) {
	answers := make([]ProposalAnswer, len(proposals))
	forecasts := make([]forecast, 0, len(proposals))
	for i := range proposals {
		if CheckID(proposals[i].ID) == nil {
			forecasts = append(forecasts, forecast{Proposal: &proposals[i], answer: &answers[i]})
		}
	}
	if len(forecasts) == 0 {
		return answers, ctx.Err()
	}
	base := c.store.committer.committed.Load()
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		sight, err := c.sightIn(r, viewer)
		if err != nil {
			return err
		}
		open, err := c.byHeads(r, sight, forecasts, base)
		if err != nil || len(open) == 0 {
			return err
		}
		return c.byTrees(r, open)
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// forecast is a proposal that is being answered.
type forecast struct {
	*Proposal
	answer *ProposalAnswer
	head   *head
}

// byHeads answers by the documents' heads, and returns those proposals that are conflicts
// unless the ancestry knows what they propose.
func (c *Collection) byHeads(r engine.Reader, sight *sight, forecasts []forecast, base uint64) (open []forecast, err error) {
	var missing []string
	defer func() { c.store.absent.note(missing, base) }()
	for some := range slices.Chunk(forecasts, readsAtOnce) {
		keys := make([][]byte, len(some))
		for i := range some {
			keys[i] = c.scope.head(some[i].ID)
		}
		records, err := r.GetMany(keys)
		if err != nil {
			return nil, fmt.Errorf("reading documents: %w", err)
		}
		for i, record := range records {
			if record == nil {
				missing = append(missing, string(keys[i]))
				continue
			}
			if some[i].byHead(sight, record) {
				open = append(open, some[i])
			}
		}
	}
	return open, nil
}

// byHead answers by the document's head, and reports whether the ancestry has to be looked at too.
func (f *forecast) byHead(sight *sight, record []byte) (open bool) {
	head, err := decodeHead(record)
	if err != nil {
		return false // the write says what is the matter with it, and the others are not to blame
	}
	f.head = head
	defer func() { f.head = nil }() // it holds the body
	sees := sight.leaf(head.winner())
	f.answer.Status = ProposalConflict
	if sees {
		f.answer.Rev, f.answer.Version = head.winner().Rev, head.Vector.Current
	}
	if sees || f.namesCurrent() {
		f.answer.Status = f.status()
	}
	return sees && f.answer.Status == ProposalConflict && head.hasTree() && f.byTree()
}

// byTrees answers those that are known if the ancestry has them.
func (c *Collection) byTrees(r engine.Reader, open []forecast) error {
	keys := make([][]byte, len(open))
	for i := range open {
		keys[i] = c.scope.tree(open[i].ID)
	}
	records, err := r.GetMany(keys)
	if err != nil {
		return fmt.Errorf("reading ancestries: %w", err)
	}
	for i, record := range records {
		if record == nil {
			continue
		}
		f := &open[i]
		t, err := decodeTree(record)
		if err != nil {
			f.answer.Status = ProposalWanted // as one whose head is damaged
			continue
		}
		if !f.Rev.IsZero() && t.find(f.Rev) >= 0 || f.Rev.IsZero() && t.encodes(f.Vector.Current) {
			f.answer.Status = ProposalKnown
		}
	}
	return nil
}

// byTree reports whether the ancestry could have what is proposed.
func (f *forecast) byTree() bool {
	return !f.Rev.IsZero() || f.Vector.Current.Source == treeSource
}

// namesCurrent reports whether the peer knows which revision is the current one.
func (f *forecast) namesCurrent() bool {
	rev, version := f.head.winner().Rev, f.head.Vector.Current
	return f.Rev == rev || f.Parent == rev || !version.IsZero() && (f.Vector.Current == version || f.ParentVersion == version)
}

// status answers by the head alone.
func (f *forecast) status() ProposalStatus {
	winner := f.head.winner()
	if f.Rev.IsZero() {
		return f.statusOfVersion(winner)
	}
	switch {
	case f.head.leaf(f.Rev) != nil:
		return ProposalKnown
	case f.Parent == winner.Rev:
		return ProposalWanted
	case f.Parent.IsZero() && f.ParentVersion.IsZero() && winner.Deleted:
		return ProposalWanted // it comes back after a deletion
	default:
		return ProposalConflict
	}
}

func (f *forecast) statusOfVersion(winner *leaf) ProposalStatus {
	encoded := VersionOfRev(winner.Rev)
	switch {
	case f.Vector.Current == encoded:
		return ProposalKnown
	case f.Parent == winner.Rev, f.ParentVersion == encoded:
		return ProposalWanted
	case !f.ParentVersion.IsZero() && f.ParentVersion == f.head.Vector.Current:
		return ProposalWanted
	}
	switch f.head.standing(f.proposed()) {
	case covered:
		return ProposalKnown
	case covering:
		return ProposalWanted
	default:
		return ProposalConflict
	}
}

// proposed is what is known of the version that would come. A client of 4.1 proposes it
// alone: the parent that it names says that it did not make the document anew.
func (f *forecast) proposed() (v Vector, legacy []Rev) {
	v, legacy = f.Vector, f.Legacy
	if !f.Parent.IsZero() {
		legacy = append(slices.Clip(legacy), f.Parent)
	}
	if parent := f.ParentVersion; !parent.IsZero() && parent.Source != v.Current.Source && v.alone() {
		v.Previous = []Version{parent}
	}
	return v, legacy
}
