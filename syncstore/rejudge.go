package syncstore

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"go.uber.org/zap"
)

const (
	// resyncLogged is how many refused documents of one resync are entries of the log.
	resyncLogged = 100
	// resyncTries is how often a document is judged whose policy ran out of its time or of memory: on a busy
	// machine that says nothing of the document, which would be taken from all who have it.
	resyncTries = 5
)

// rejudge judges the first of some documents, as many as are read at once, and has committed what changes. It
// returns those that are left, and those that were written meanwhile.
func (c *Collection) rejudge(ctx context.Context, ids []string, state *resyncState) (left []string, err error) {
	edits := make([]Edit, len(ids))
	indexes := make([]int, len(ids))
	for i, id := range ids {
		edits[i].ID, indexes[i] = id, i
	}
	docs, err := c.loadStates(ctx, edits, indexes, false, stateBytes)
	switch {
	case errors.Is(err, ErrDamagedDocument) && len(ids) > 1: // the others are not to blame
		left, err = c.rejudge(ctx, ids[:len(ids)/2], state)
		return append(left, ids[len(ids)/2:]...), err
	case errors.Is(err, ErrDamagedDocument):
		c.noteRefused(ids[0], err, state)
		return nil, nil
	case err != nil:
		return nil, err
	}
	left = slices.Clone(ids[len(docs):])
	var sets []*changeSet
	var owners []string
	for i := range docs {
		if docs[i].guessed {
			left = append(left, ids[i]) // it was listed: the guess is older, and forgotten now
			continue
		}
		if docs[i].head == nil {
			continue // purged meanwhile
		}
		p := preparation{ctx: ctx, collection: c, edit: &edits[i], options: &WriteOptions{}, state: docs[i]}
		set, refused, err := p.rejudge(state.All, nil)
		if err == nil && set != nil && set.checkSizes() != nil {
			set, refused, err = nil, nil, c.rejudgeLarge(ctx, ids[i], state)
		}
		switch {
		case errors.Is(err, errStale):
			left = append(left, ids[i])
			continue
		case errors.Is(err, ErrDamaged), errors.Is(err, ErrTooLarge):
			refused = err // trying again would not help, and the others go on
		case outOfMemory(err):
			refused, state.Version = err, severalVersions // another resync may find it judged
		case err != nil:
			return nil, err
		}
		if refused != nil {
			c.noteRefused(ids[i], refused, state)
		}
		if set != nil {
			sets, owners = append(sets, set), append(owners, ids[i])
		}
	}
	c.store.committer.commitBackground(sets...)
	for i, set := range sets {
		switch {
		case set.err == nil:
			c.noteMoved(state)
		case errors.Is(set.err, errStale):
			left = append(left, owners[i])
		default:
			return nil, set.err
		}
	}
	return left, nil
}

// noteMoved counts a document that was elsewhere.
func (c *Collection) noteMoved(state *resyncState) {
	state.Changed++
	c.store.stats.resyncChanged.Add(1)
}

// noteRefused counts a document that is not where the policy puts it, or is in no channel since that refuses it,
// and says which one it is.
func (c *Collection) noteRefused(id string, refused error, state *resyncState) {
	state.Errors++
	c.store.stats.resyncRefused.Add(1)
	why := explain(refused)
	state.LastError = "document " + strconv.Quote(id) + ": " + why
	if state.Errors > resyncLogged {
		return
	}
	c.store.logger.Warn(whereRefused(refused), zap.String("database", c.db.name),
		zap.Stringer("collection", c.id), zap.String("document", id), zap.String("reason", why))
	if state.Errors == resyncLogged {
		c.store.logger.Warn("further documents that the resync finds refused are only counted, in docs_errored",
			zap.String("database", c.db.name), zap.Stringer("collection", c.id))
	}
}

// whereRefused says where a document is now that a resync could not put where it belongs.
func whereRefused(refused error) string {
	switch {
	case errors.Is(refused, ErrTooLarge):
		return "a resync took a document out of the channels that it is not to be in, and put it into no others: all at once are too much for a transaction"
	case errors.Is(refused, ErrRejected) && !outOfMemory(refused):
		return "a resync put a document into no channel, since the policy refuses it"
	default:
		return "a resync left a document where it is, since it can not be judged"
	}
}

// explain is what an administrator is told of a refusal: all of it, if the policy says less to
// writers.
func explain(refused error) string {
	if e, ok := errors.AsType[interface {
		error
		Explain() string
	}](refused); ok {
		return e.Explain()
	}
	return refused.Error()
}

// rejudge returns the change set that puts the document where the policy says it belongs, nil
// if it is there, unless it is to have a new sequence anyway. refused is why the policy refuses it. With part, it does
// a part of that.
func (p *preparation) rejudge(anyway bool, part *narrowing) (set *changeSet, refused, err error) {
	p.set = &changeSet{
		db: p.collection.db, collection: p.collection.scope.collection, key: string(p.state.key), base: p.state.base,
	}
	old := p.state.head
	next := *old
	next.Leaves, next.Spans = slices.Clone(old.Leaves), slices.Clone(old.Spans)
	changed := anyway
	for i := range next.Leaves {
		outcome, refusal, err := p.outcomeNow(&old.Leaves[i])
		if err != nil {
			return nil, nil, err
		}
		if refusal != nil {
			refused = refusal
		}
		if part != nil && i == 0 { // of the others nothing is stored but in the head
			outcome = part.of(&old.Leaves[i], outcome)
		}
		changed = next.Leaves[i].apply(outcome) || changed
	}
	if !changed {
		return nil, refused, nil
	}
	if part != nil && part.silent {
		p.forgetChannels(&next)
	} else {
		p.writeChannels(&next)
	}
	if err := p.writeGrants(&next); err != nil {
		return nil, nil, err
	}
	p.writeRow(&next)
	p.set.add(op{key: p.state.key, value: next.encode(), keySeq: noSeq, valueSeq: headSeqAt})
	p.set.cached = &next
	return p.set, refused, nil
}

// outcomeNow is what the policy says of a leaf. What it refuses is in no channel, and what it never ends with:
// the time is that of this call. The memory is that of the whole process, so that what runs out of it is not judged.
func (p *preparation) outcomeNow(l *leaf) (o Outcome, refused, err error) {
	if p.policy() == nil {
		return Outcome{}, nil, nil
	}
	if p.judgement().policy.Closed {
		return Outcome{}, nil, errNotConfigured
	}
	body, err := p.leafBody(l)
	if err != nil {
		return o, nil, err
	}
	evaluation := Evaluation{New: p.document(l, body)}
	if l.Rev.Gen > 1 {
		evaluation.Old = evaluation.New
	}
	for range resyncTries {
		if o, err = p.policy().Evaluate(p.ctx, evaluation); !timedOut(err) && !outOfMemory(err) {
			break
		}
	}
	if err == nil {
		err = o.check()
	}
	switch {
	case err == nil && l.Deleted && len(o.Channels) == 0:
		o.Channels = l.Channels
	case errors.Is(err, ErrRejected) && !outOfMemory(err):
		return Outcome{}, err, nil
	}
	return o, nil, err
}

// timedOut reports whether a policy refused a write only because its time was over.
func timedOut(refused error) bool {
	e, ok := errors.AsType[interface {
		error
		TimedOut() bool
	}](refused)
	return ok && e.TimedOut()
}

// outOfMemory reports whether a policy refused a write only because the process grew while it was asked.
func outOfMemory(refused error) bool {
	e, ok := errors.AsType[interface {
		error
		OutOfMemory() bool
	}](refused)
	return ok && e.OutOfMemory()
}

// apply gives the leaf an outcome and reports whether that changes it.
func (l *leaf) apply(o Outcome) bool {
	channels, grants := o.channels(), o.grants()
	same := slices.Equal(channels, l.Channels) && slices.EqualFunc(grants, l.Grants, func(a, b heldGrant) bool {
		return a.Grant == b.Grant
	})
	if same {
		return false
	}
	l.Channels, l.Grants = channels, grants
	return true
}
