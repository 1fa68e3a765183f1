package syncstore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// evaluate asks the policy about the written leaf (DECISIONS 25).
func (p *preparation) evaluate(written *leaf, parent *leaf) error {
	if p.options.expires && parent != nil {
		written.Channels, written.Grants = parent.Channels, parent.Grants
		return nil
	}
	validates, err := p.validates()
	if err != nil || p.policy() == nil && !validates {
		return err
	}
	before := parent
	if before == nil && p.state.head != nil {
		before = p.state.head.winner()
	}
	outcome, err := p.judge(written, before)
	if err != nil {
		return err
	}
	if p.policy() == nil {
		return nil
	}
	if err := outcome.check(); err != nil {
		return err
	}
	written.Channels = outcome.channels()
	if written.Deleted && len(written.Channels) == 0 && before != nil {
		written.Channels = before.Channels // those who saw the document see that it is gone
	}
	written.Grants = outcome.grants()
	if !outcome.Expires.IsZero() {
		written.Expires = outcome.Expires
	}
	return nil
}

// sight is what the writer may see.
func (p *preparation) sight() (*sight, error) {
	if p.collection.seesAll(p.options.Viewer) {
		return nil, nil
	}
	a, err := p.access()
	if err != nil {
		return nil, err
	}
	return &sight{a.in(p.collection.scope.collection)}, nil
}

// access is what the writer has. The write is stale if that changes before it is committed
// (DECISIONS 33).
func (p *preparation) access() (*access, error) {
	a, err := p.collection.db.accessNow(p.ctx, *p.options.Viewer)
	if err != nil {
		return nil, err
	}
	p.set.reads = a.principals
	return a, nil
}

// policy judges the write, nil if nobody does.
func (p *preparation) policy() Evaluator {
	if p.options.policy != nil {
		return p.options.policy
	}
	return p.judgement().policy.Evaluator
}

// judgement is what the write is judged by. The write is stale if that changes before it is
// committed.
func (p *preparation) judgement() *judgement {
	if p.set.policy == nil {
		c := p.collection
		p.set.policy = &judgement{collection: c, designs: c.designVersion.Load(), policy: c.policy.Load()}
	}
	return p.set.policy
}

// maxName is the longest name of a channel or a principal, in bytes.
const maxName = 1024

// check refuses names that would not fit into a key.
func (o *Outcome) check() error {
	for _, name := range o.Channels {
		if len(name) > maxName {
			return fmt.Errorf("%w: a channel's name is longer than %d bytes", ErrRejected, maxName)
		}
	}
	for _, grant := range o.Grants {
		if len(grant.Channel) > maxName || len(grant.Principal) > maxName {
			return fmt.Errorf("%w: a name in a grant is longer than %d bytes", ErrRejected, maxName)
		}
	}
	return nil
}

// channels returns the outcome's channels in order, each once.
func (o *Outcome) channels() []string {
	channels := slices.Clone(o.Channels)
	slices.Sort(channels)
	return slices.Compact(channels)
}

// grants returns the outcome's grants in order, each once.
func (o *Outcome) grants() (all []heldGrant) {
	for _, grant := range o.Grants {
		all = append(all, heldGrant{Grant: grant})
	}
	slices.SortFunc(all, func(a, b heldGrant) int {
		return cmp.Or(strings.Compare(a.Principal, b.Principal), strings.Compare(a.Channel, b.Channel))
	})
	return slices.Compact(all)
}

// judgeTakeover lets the policy judge again a write that makes its leaf the winner in
// place of a leaf it does not extend: otherwise a revision pushed without ancestors
// could take over anybody's document (DECISIONS 25). So it does a write that ends a live leaf
// beside the one it extends, because its history goes on where nothing was known before.
func (p *preparation) judgeTakeover(next *head, rev Rev, parent *leaf, ended []Rev) error {
	old := p.state.head
	if old == nil || p.options.expires {
		return nil
	}
	if parent == nil {
		parent = old.winner() // it was judged over that
	}
	for i := range old.Leaves {
		l := &old.Leaves[i]
		takes := i == 0 && next.winner().Rev == rev || !l.Deleted && slices.Contains(ended, l.Rev)
		if !takes || l.Rev == parent.Rev {
			continue
		}
		validates, err := p.validates()
		if err != nil || p.policy() == nil && !validates {
			return err
		}
		if _, err = p.judge(next.leaf(rev), l); err != nil {
			return err
		}
	}
	return nil
}

func (p *preparation) judge(written, before *leaf) (Outcome, error) {
	evaluation := Evaluation{
		New: p.document(written, p.edit.Body), Expires: p.edit.Expires, Replicated: len(p.edit.History) > 0,
	}
	if before != nil {
		body, err := p.leafBody(before)
		if err != nil {
			return Outcome{}, err
		}
		evaluation.Old = p.document(before, body)
		if before.Expires.Equal(p.edit.Expires.Truncate(time.Second)) {
			evaluation.Expires = time.Time{} // it stays as it is, as with an attachment that is put
		}
	}
	if p.options.Viewer == nil {
		return p.ask(evaluation)
	}
	writer := &accessWriter{p: p}
	evaluation.Writer = writer
	outcome, err := p.ask(evaluation)
	if writer.err != nil {
		// What was answered to the policy is not what the writer has.
		return Outcome{}, writer.err
	}
	return outcome, err
}

// ask asks the policy, and then the validator.
func (p *preparation) ask(evaluation Evaluation) (outcome Outcome, err error) {
	if policy := p.policy(); policy != nil {
		if outcome, err = policy.Evaluate(p.ctx, evaluation); err != nil {
			return Outcome{}, err
		}
	}
	return outcome, p.validate(evaluation)
}

func (p *preparation) document(l *leaf, body []byte) *Document {
	doc := &Document{ID: p.edit.ID, Rev: l.Rev, Deleted: l.Deleted, Body: body, Attachments: l.Attachments, Extra: l.Extra}
	if p.state.head != nil {
		doc.Creator = p.state.head.Creator
	}
	return doc
}

// leafBody returns the body of a leaf of the document as it is.
func (p *preparation) leafBody(l *leaf) ([]byte, error) {
	if p.state.head.winner().Rev == l.Rev {
		return p.state.head.Body, nil
	}
	stored, err := p.storedBody(l.Rev)
	if err != nil {
		return nil, err
	}
	return stored.body, nil
}

// storedBody reads a body that is not in the head. What the write was prepared from may
// be outdated, and the body be gone for that reason: then the write is stale.
func (p *preparation) storedBody(rev Rev) (*storedBody, error) {
	var stored *storedBody
	err := p.collection.store.engine.View(p.ctx, func(r engine.Reader) error {
		records, err := r.GetMany([][]byte{p.collection.scope.body(p.edit.ID, rev), p.state.key})
		if err != nil {
			return fmt.Errorf("reading a body: %w", err)
		}
		if records[0] == nil {
			if current, err := decodeHead(records[1]); err != nil || current.Seq != p.state.head.Seq {
				return errStale
			}
			return fmt.Errorf("%w: revision %s has no body", ErrDamagedDocument, rev)
		}
		stored, err = decodeStoredBody(records[0])
		return err
	})
	return stored, err
}
