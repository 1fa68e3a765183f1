package lite1

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errRevision = errors.New("the revision cannot be inserted")

// pulled is a revision that came from the server.
type pulled struct {
	id, rev string
	history []string // newest first
	*revision
}

// parse reads a revision that was asked for.
func (r *received) parse(local *document) (*pulled, error) {
	all, err := members(r.text)
	if err != nil {
		return nil, err
	}
	p := &pulled{revision: &revision{known: true, body: map[string]json.RawMessage{}}}
	var entries map[string]*attachmentEntry
	var revisions struct {
		Start int
		IDs   []string
	}
	for name, value := range all {
		switch name {
		case "_id":
			err = json.Unmarshal(value, &p.id)
		case "_rev":
			err = json.Unmarshal(value, &p.rev)
		case "_deleted":
			err = json.Unmarshal(value, &p.deleted)
		case "_removed":
			err = json.Unmarshal(value, &p.removed)
		case "_revisions":
			err = json.Unmarshal(value, &revisions)
		case "_attachments":
			err = json.Unmarshal(value, &entries)
		default:
			if name[0] == '_' {
				err = fmt.Errorf("%w: member %s", errRevision, name)
			}
			p.body[name] = value
		}
		if err != nil {
			return nil, err
		}
	}
	p.revision.id = p.rev
	for i, digest := range revisions.IDs {
		p.history = append(p.history, strconv.Itoa(revisions.Start-i)+"-"+digest)
	}
	if len(p.history) == 0 && generation(p.rev) > 1 {
		return nil, fmt.Errorf("%w: %s %s has no history", errRevision, p.id, p.rev)
	}
	if len(p.history) > 0 && p.history[0] != p.rev {
		return nil, fmt.Errorf("%w: the history of %s begins with %s", errRevision, p.rev, p.history[0])
	}
	return p, r.attach(p, entries, local)
}

// attach gives a revision its attachments.
func (r *received) attach(p *pulled, entries map[string]*attachmentEntry, local *document) error {
	followed := 0
	for name, e := range entries {
		if e.RevPos < 1 || e.RevPos > generation(p.rev) {
			return fmt.Errorf("%w: attachment %q has the revpos %d in %s", errRevision, name, e.RevPos, p.rev)
		}
		f := file{contentType: e.ContentType, revpos: e.RevPos, length: e.Length, packed: e.Encoding == "gzip"}
		switch {
		case e.Stub:
			known, ok := local.stub(name, p.history)
			if !ok {
				return fmt.Errorf("%w: attachment %q of %s is a stub, and not known here", errRevision, name, p.rev)
			}
			f.content, f.packed, f.length = known.content, known.packed, known.length
		case e.Follows:
			content, err := r.content(name, e)
			if err != nil {
				return err
			}
			f.content = content
			followed++
		case e.Data != nil:
			f.content = *e.Data
			if !f.packed {
				f.length = len(f.content)
			}
		default:
			return fmt.Errorf("%w: attachment %q of %s has no content", errRevision, name, p.rev)
		}
		f.digest = sha1Digest(f.content)
		if p.files == nil {
			p.files = map[string]file{}
		}
		p.files[name] = f
	}
	if followed < len(r.all) {
		return fmt.Errorf("%w: more parts (%d) than attachments that follow (%d)", errMultipart, len(r.all), followed)
	}
	return nil
}

// stub finds an attachment in the nearest ancestor that is here.
func (d *document) stub(name string, history []string) (file, bool) {
	if d == nil {
		return file{}, false
	}
	for _, rev := range history {
		if r := d.revs[rev]; r != nil && r.known {
			f, ok := r.files[name]
			return f, ok
		}
	}
	return file{}, false
}

// insert puts revisions from the server into their documents.
func (d *Device) insert(from string, all []*pulled) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range all {
		doc := d.docs[p.id]
		if doc == nil {
			doc = &document{id: p.id, revs: map[string]*revision{}}
			d.docs[p.id] = doc
		}
		history := p.history
		if len(history) == 0 {
			history = []string{p.rev}
		}
		for i, id := range history {
			parent := ""
			if i+1 < len(history) {
				parent = history[i+1]
			}
			r := doc.revs[id]
			switch {
			case i == 0:
				d.seq++
				p.parent, p.seq, p.from = parent, d.seq, from
				doc.revs[id] = p.revision
			case r == nil:
				doc.revs[id] = &revision{id: id, parent: parent}
			case r.parent == "":
				r.parent = parent
			}
		}
	}
	d.tell()
}

// validID reports whether rows of an ID are looked at: those of users ("_user/…") are not.
func validID(id string) bool { return id != "" && (id[0] != '_' || strings.HasPrefix(id, "_design/")) }
