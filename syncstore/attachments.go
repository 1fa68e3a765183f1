package syncstore

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// MD5Digest returns "md5-" and the MD5 in base64, the form that CouchDB uses.
func (c Content) MD5Digest() string { return "md5-" + base64.StdEncoding.EncodeToString(c.MD5[:]) }

// SHA1Digest returns "sha1-" and the SHA-1 in base64, the form that Couchbase Lite uses.
func (c Content) SHA1Digest() string { return "sha1-" + base64.StdEncoding.EncodeToString(c.SHA1[:]) }

// HasDigest reports whether text names the content, in either form.
func (c Content) HasDigest(text string) bool {
	return text == c.MD5Digest() || text == c.SHA1Digest()
}

// FitsHeader reports whether a content type can be given back in a header of HTTP: printable ASCII,
// at most 255 bytes. AttachmentEdit.ContentType is not checked by a write.
func FitsHeader(text string) bool {
	if len(text) > 255 {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// attachments returns what the written revision of generation gen has attached, in
// order of names.
func (p *preparation) attachments(gen uint64, parent *leaf) ([]Attachment, error) {
	if len(p.edit.Attachments) == 0 {
		return nil, nil
	}
	all := make([]Attachment, 0, len(p.edit.Attachments))
	for i := range p.edit.Attachments {
		edit := &p.edit.Attachments[i]
		if edit.Stub {
			known, err := p.findStub(edit, parent)
			if err != nil {
				return nil, err
			}
			p.collection.store.touched.touch(p.collection.db, known.Content.SHA256)
			all = append(all, known)
			continue
		}
		p.collection.store.touched.touch(p.collection.db, edit.Content.SHA256)
		all = append(all, edit.attachment(gen, p.edit.replicated()))
	}
	slices.SortFunc(all, func(a, b Attachment) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (e *AttachmentEdit) attachment(gen uint64, replicated bool) Attachment {
	a := Attachment{Name: e.Name, ContentType: e.ContentType, Digest: e.Digest, Content: e.Content, RevPos: gen}
	if a.Digest == "" {
		a.Digest = a.Content.MD5Digest()
	}
	if replicated && e.RevPos > 0 && e.RevPos < gen {
		a.RevPos = e.RevPos
	}
	return a
}

// findStub finds what a stub names: in the revision that the edit extends, in the other
// leaves, or in the older revisions whose bodies are still kept, as far as the writer may
// read them (DECISIONS 22).
func (p *preparation) findStub(stub *AttachmentEdit, parent *leaf) (Attachment, error) {
	missing := fmt.Errorf("%w: %q", ErrMissingStub, stub.Name)
	if p.state.head == nil {
		return Attachment{}, missing
	}
	sight, err := p.sight()
	if err != nil {
		return Attachment{}, err
	}
	if parent != nil {
		if a, ok := stub.in(parent, sight); ok {
			return a, nil
		}
	}
	for i := range p.state.head.Leaves {
		if a, ok := stub.in(&p.state.head.Leaves[i], sight); ok {
			return a, nil
		}
	}
	var found Attachment
	err = p.collection.store.engine.View(p.ctx, func(r engine.Reader) error {
		scan := engine.PrefixRange(p.collection.scope.bodies(p.edit.ID))
		scan.Reverse = true // higher generations first
		pairs, failed := r.Scan(scan)
		for _, value := range pairs {
			stored, err := decodeStoredBody(value)
			if err != nil {
				return err
			}
			if p.state.head.leaf(stored.leaf.Rev) != nil {
				continue // looked at, with the channels that it is in now
			}
			if a, ok := stub.in(&stored.leaf, sight); ok {
				found = a
				return nil
			}
		}
		if err := failed(); err != nil {
			return fmt.Errorf("looking for an attachment: %w", err)
		}
		return missing
	})
	return found, err
}

// in returns the attachment of a revision that a stub means.
func (e *AttachmentEdit) in(known *leaf, sight *sight) (Attachment, bool) {
	if !sight.leaf(known) {
		return Attachment{}, false
	}
	for _, a := range known.Attachments {
		if a.Name == e.Name && (e.Digest == "" || e.Digest == a.Digest || a.Content.HasDigest(e.Digest)) {
			return a, true
		}
	}
	return Attachment{}, false
}
