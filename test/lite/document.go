package lite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Document is a document as an app sees it.
type Document struct {
	ID, Rev string
	Deleted bool
	// Body is the JSON object with its members in order, without _attachments.
	Body string
	// Attachments has the digests of what the server knows as attachments, by name.
	Attachments map[string]string
}

// Collection is one collection of a device's database.
type Collection struct {
	device   *Device
	name     string
	docs     map[string]*document
	seq      uint64
	watchers []func()
}

type object = map[string]any

// document is a document as it is kept.
type document struct {
	id      string
	seq     uint64 // of its last change on the device
	deleted bool
	body    object // _attachments has those that are no blobs
	// rev is the current revision: the ID of one in a tree, or the current version.
	rev     string
	parents map[string]string // the tree: from a revision to the one before
	vector  vector
	// remote is the server's revision as far as the device knows, "" if it knows of none.
	remote string
	// kept are earlier revisions that the device found on the server, and has the bodies of.
	kept []string
	// bodies are of the revisions that deltas may be made from: the current one, the server's
	// and those kept.
	bodies map[string]object
	// unblobbed says that the last edit took the blobs away: 4.0 then sends an empty
	// _attachments.
	unblobbed bool
}

// dirty reports whether there is something that the server does not have.
func (doc *document) dirty() bool { return doc.rev != doc.remote }

// encode is JSON with the members in order.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// decodeObject reads a JSON object with its numbers as they are.
func decodeObject(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if o == nil {
		return nil, fmt.Errorf("not a JSON object: %s", text)
	}
	if d.More() {
		return nil, fmt.Errorf("more than a JSON object: %s", text)
	}
	return o, nil
}

// Put writes a document.
func (c *Collection) Put(id, body string) string {
	o, err := decodeObject([]byte(body))
	if err != nil {
		c.device.t.Errorf("put %s: %v", id, err)
		return ""
	}
	return c.edit(id, o, false)
}

// Delete makes a document a tombstone.
func (c *Collection) Delete(id string) string { return c.edit(id, object{}, true) }

// SetBlob puts a blob into a member of a document, which is made if it is not there.
func (c *Collection) SetBlob(id, member, contentType string, content []byte) string {
	blob := c.device.AddBlob(contentType, content)
	c.device.mu.Lock()
	o := object{}
	if doc := c.docs[id]; doc != nil && !doc.deleted {
		o = maps.Clone(doc.body)
	}
	c.device.mu.Unlock()
	o[member] = blob
	return c.edit(id, o, false)
}

// Update changes members of a document, which is made if it is not there; attachments that
// it has stay.
func (c *Collection) Update(id string, change func(body map[string]any)) string {
	c.device.mu.Lock()
	o := object{}
	if doc := c.docs[id]; doc != nil && !doc.deleted {
		o = maps.Clone(doc.body)
	}
	c.device.mu.Unlock()
	change(o)
	return c.edit(id, o, false)
}

func (c *Collection) edit(id string, body object, deleted bool) string {
	c.device.mu.Lock()
	doc := c.docs[id]
	if doc == nil {
		doc = &document{id: id, parents: make(map[string]string)}
		c.docs[id] = doc
	}
	c.write(doc, body, deleted)
	rev := doc.rev
	watchers := slices.Clone(c.watchers)
	c.device.mu.Unlock()
	for _, tell := range watchers {
		tell()
	}
	return rev
}

// write makes a new revision on top of the current one.
func (c *Collection) write(doc *document, body object, deleted bool) {
	had := len(doc.attachments(0)) > 0
	doc.body, doc.deleted = body, deleted
	doc.unblobbed = had && !deleted && c.device.version.vectors() && len(doc.attachments(0)) == 0
	if c.device.version.vectors() {
		doc.vector = doc.vector.next(c.device.now())
		doc.rev = doc.vector.cv.String()
	} else {
		rev := newRevID(doc.rev, deleted, encode(body))
		doc.parents[rev] = doc.rev
		doc.rev = rev
	}
	c.touch(doc)
}

// touch gives a document that has changed the next sequence.
func (c *Collection) touch(doc *document) {
	c.seq++
	doc.seq = c.seq
	if doc.bodies == nil {
		doc.bodies = make(map[string]object)
	}
	doc.bodies[doc.rev] = doc.body
	for rev := range doc.bodies {
		if rev != doc.rev && rev != doc.remote && !slices.Contains(doc.kept, rev) {
			delete(doc.bodies, rev)
		}
	}
}

// Get reads a document, a tombstone too.
func (c *Collection) Get(id string) (Document, bool) {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	doc := c.docs[id]
	if doc == nil {
		return Document{}, false
	}
	return doc.read(), true
}

// All reads all documents, tombstones too.
func (c *Collection) All() map[string]Document {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	all := make(map[string]Document, len(c.docs))
	for id, doc := range c.docs {
		all[id] = doc.read()
	}
	return all
}

func (doc *document) read() Document {
	body := maps.Clone(doc.body)
	delete(body, "_attachments")
	read := Document{ID: doc.id, Rev: doc.rev, Deleted: doc.deleted, Body: string(encode(body)), Attachments: map[string]string{}}
	for name, entry := range doc.attachments(0) {
		read.Attachments[name], _ = entry.(object)["digest"].(string)
	}
	return read
}

// ancestors are the revisions before one, newest first, up to and with one that the server
// has.
func (doc *document) ancestors(rev string, limit int, until string) (list []string) {
	for parent := doc.parents[rev]; parent != "" && len(list) < limit; parent = doc.parents[parent] {
		list = append(list, parent)
		if parent == until {
			break
		}
	}
	return list
}

// descends reports whether a revision of the tree comes from another, or is it.
func (doc *document) descends(rev, from string) bool {
	for ; rev != ""; rev = doc.parents[rev] {
		if rev == from {
			return true
		}
	}
	return false
}

// Pending reports whether there is something that the server does not have.
func (c *Collection) Pending() bool {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	for _, doc := range c.docs {
		if doc.dirty() {
			return true
		}
	}
	return false
}
