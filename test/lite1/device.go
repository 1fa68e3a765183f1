package lite1

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Device is a device with documents of its own. Its methods fail the test.
type Device struct {
	t       testing.TB
	edition Edition
	uuid    string
	jar     *cookiejar.Jar
	// refresh is the refresh token that the app keeps for it, "" for none.
	refresh string

	mu      sync.Mutex
	docs    map[string]*document
	seq     int
	changed chan struct{} // closed at the next change
	// checkpoints are those that were saved, by their ID.
	checkpoints map[string]string
	// Requests are all that were sent, as "METHOD path".
	requests []string
}

var devices struct {
	sync.Mutex

	n int
}

// NewDevice makes a device without documents.
func NewDevice(tb testing.TB, edition Edition) *Device {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(tb, err)
	devices.Lock()
	defer devices.Unlock()
	devices.n++
	return &Device{
		t: tb, edition: edition, uuid: fmt.Sprintf("device-%d", devices.n), jar: jar,
		docs: map[string]*document{}, changed: make(chan struct{}), checkpoints: map[string]string{},
	}
}

// tell is called with mu held, when something is different.
func (d *Device) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// edit extends the winner of a document with a revision that build makes of it.
func (d *Device) edit(id string, build func(parent *revision) *revision) string {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	doc := d.docs[id]
	if doc == nil {
		doc = &document{id: id, revs: map[string]*revision{}}
		d.docs[id] = doc
	}
	parent := new(revision)
	if leaves := doc.leaves(); len(leaves) > 0 {
		parent = leaves[0]
	}
	return d.add(doc, build(parent), parent.id)
}

// add puts a revision that was made here into a document. mu is held.
func (d *Device) add(doc *document, r *revision, parent string) string {
	r.known, r.parent = true, parent
	r.id = newRev(parent, r)
	d.seq++
	r.seq = d.seq
	for name, f := range r.files {
		if f.revpos == 0 {
			f.revpos = generation(r.id)
			r.files[name] = f
		}
	}
	doc.revs[r.id] = r
	d.tell()
	return r.id
}

func (d *Device) object(text string) map[string]json.RawMessage {
	d.t.Helper()
	var body map[string]json.RawMessage
	require.NoError(d.t, json.Unmarshal([]byte(text), &body))
	return body
}

// Put writes a document anew; its attachments stay.
func (d *Device) Put(id, body string) string {
	d.t.Helper()
	return d.edit(id, func(parent *revision) *revision {
		return &revision{body: d.object(body), files: maps.Clone(parent.files)}
	})
}

// Attach writes an attachment; pack stores it compressed, as 1.x can.
func (d *Device) Attach(id, name, contentType, content string, pack bool) string {
	d.t.Helper()
	return d.edit(id, func(parent *revision) *revision {
		files := maps.Clone(parent.files)
		if files == nil {
			files = map[string]file{}
		}
		files[name] = newFile(contentType, []byte(content), pack, 0)
		return &revision{body: maps.Clone(parent.body), files: files}
	})
}

// Delete deletes a document.
func (d *Device) Delete(id string) string {
	d.t.Helper()
	return d.edit(id, func(*revision) *revision { return &revision{deleted: true} })
}

// Resolve keeps the winner of a document, with this body, and deletes its other leaves, as apps do.
func (d *Device) Resolve(id, body string) {
	d.t.Helper()
	d.Put(id, body)
	d.mu.Lock()
	defer d.mu.Unlock()
	doc := d.docs[id]
	for _, leaf := range doc.leaves()[1:] {
		if !leaf.deleted {
			d.add(doc, &revision{deleted: true}, leaf.id)
		}
	}
}

// Conflicts are the live leaves of a document.
func (d *Device) Conflicts(id string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []string{}
	if doc := d.docs[id]; doc != nil {
		for _, leaf := range doc.leaves() {
			if !leaf.deleted {
				all = append(all, leaf.id)
			}
		}
	}
	return all
}

// Body is the body of a document's winner, "" if there is none.
func (d *Device) Body(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	doc := d.docs[id]
	if doc == nil || doc.leaves()[0].deleted || doc.leaves()[0].removed {
		return ""
	}
	text, err := json.Marshal(doc.leaves()[0].body)
	require.NoError(d.t, err)
	return string(text)
}

// Content is the content of an attachment of a document's winner.
func (d *Device) Content(id, name string) string {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Contains(d.t, d.docs, id)
	f, ok := d.docs[id].leaves()[0].files[name]
	require.True(d.t, ok, "%s has no attachment %s", id, name)
	content, err := f.unpacked()
	require.NoError(d.t, err)
	return string(content)
}

// Holds tells all that the device holds: each document with its leaves, the winner first, and
// what is in them.
func (d *Device) Holds() map[string][]string {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string][]string{}
	for id, doc := range d.docs {
		for _, leaf := range doc.leaves() {
			all[id] = append(all[id], describe(d.t, leaf))
		}
	}
	return all
}

func describe(tb testing.TB, r *revision) string {
	tb.Helper()
	if r.removed {
		return r.id + " removed"
	}
	var text strings.Builder
	text.WriteString(r.id)
	if r.deleted {
		text.WriteString(" deleted")
	}
	body, err := json.Marshal(r.body)
	require.NoError(tb, err)
	if len(r.body) > 0 {
		text.WriteString(" " + string(body))
	}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		f := r.files[name]
		content, err := f.unpacked()
		require.NoError(tb, err)
		fmt.Fprintf(&text, " %s (%s) %s", name, f.contentType, sha1Digest(content))
	}
	return text.String()
}

// Await waits until something is so.
func (d *Device) Await(what string, so func() bool) {
	d.t.Helper()
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		if so() {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			require.Fail(d.t, "waited too long", "%s\n%s", what, strings.Join(d.Requests(), "\n"))
		}
	}
}

// Requests are the requests that were sent since it was asked last, without what changes from
// run to run.
func (d *Device) Requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.requests
	d.requests = nil
	return all
}

func (d *Device) note(request string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, request)
}
