package syncstore

import (
	"context"
	"fmt"
	"strings"
)

// DesignPrefix begins the IDs of design documents.
const DesignPrefix = "_design/"

// ErrDesignWriter says that somebody who is no administrator writes a design document. What
// stands in one is done for everybody.
var ErrDesignWriter = fmt.Errorf("%w: only administrators write design documents", ErrRejected)

// IsDesign reports whether an ID is that of a design document.
func IsDesign(id string) bool { return strings.HasPrefix(id, DesignPrefix) }

// Validator judges writes beside the Evaluator, by what stands in design documents. It says
// nothing of who sees what. It may be called several times for one write and by several
// goroutines at once. Refusals wrap ErrRejected.
type Validator interface {
	// CheckDesign refuses a design document that cannot mean anything. It is not asked
	// about deletions.
	CheckDesign(doc *Document) error
	// Validate judges a write of any other document, by the collection's design documents.
	Validate(ctx context.Context, write Evaluation, designs []*Document) error
}

// designSet are the design documents of a collection at some time.
type designSet struct {
	version uint64
	docs    []*Document
}

// Designs returns the collection's live design documents in the order of their IDs, as of
// the last commit or a later one. As a rule it reads no storage. They are shared: do not
// change them.
func (c *Collection) Designs(ctx context.Context) ([]*Document, error) {
	version := c.designVersion.Load()
	if set := c.designs.Load(); set != nil && set.version == version {
		return set.docs, nil
	}
	set := &designSet{version: version}
	err := c.AllDocs(ctx, AllDocsOptions{Start: DesignPrefix, End: designEnd, ExcludeEnd: true}, func(doc *Document) error {
		set.docs = append(set.docs, doc)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading design documents: %w", err)
	}
	// If another commit came, the version is another one, and this is read again.
	c.designs.Store(set)
	return set.docs, nil
}

// designEnd is the first ID after those of design documents.
const designEnd = "_design0"

// DesignVersion is another number after each change of a design document, before the change
// is acknowledged.
func (c *Collection) DesignVersion() uint64 { return c.designVersion.Load() }

// designsChanged is called when a design document was committed, before anybody is told.
func (c *Collection) designsChanged() { c.designVersion.Add(1) }

// checkDesignWriter refuses a design document of a writer who is no administrator.
func (p *preparation) checkDesignWriter() error {
	if p.options.Viewer != nil && IsDesign(p.edit.ID) {
		return ErrDesignWriter
	}
	return nil
}

// validates reports whether a validator has a say about the write.
func (p *preparation) validates() (bool, error) {
	if p.validator() == nil {
		return false, nil
	}
	if IsDesign(p.edit.ID) {
		return !p.edit.Deleted, nil
	}
	docs, err := p.collection.Designs(p.ctx)
	return len(docs) > 0, err
}

// validator is the collection's, nil if there is none.
func (p *preparation) validator() Validator {
	if p.options.policy != nil {
		return nil
	}
	return p.judgement().policy.Validator
}

// validate asks the validator.
func (p *preparation) validate(write Evaluation) error {
	ok, err := p.validates()
	if err != nil || !ok {
		return err
	}
	if IsDesign(p.edit.ID) {
		return p.validator().CheckDesign(write.New)
	}
	docs, err := p.collection.Designs(p.ctx)
	if err != nil {
		return err
	}
	return p.validator().Validate(p.ctx, write, docs)
}
