package lite

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// DefaultCollection is the name of the collection that every database has.
const DefaultCollection = "_default"

// Device is one app's database on one device.
type Device struct {
	t       testing.TB
	version Version

	mu          sync.Mutex
	collections map[string]*Collection
	blobs       map[string][]byte // by digest
	checkpoints map[string]checkpoint
	uuid        string
	source      string
	clock       uint64
	remote      int // counts ForgetServer: another server has other checkpoints
	resolver    func(local, remote Document) bool

	failing    sync.Mutex
	violations []string
}

// NewDevice makes a device with an empty database.
func NewDevice(tb testing.TB, version Version) *Device {
	tb.Helper()
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	u := hex.EncodeToString(random[:16])
	d := &Device{
		t: tb, version: version,
		collections: make(map[string]*Collection),
		blobs:       make(map[string][]byte),
		checkpoints: make(map[string]checkpoint),
		uuid:        u[:8] + "-" + u[8:12] + "-4" + u[13:16] + "-8" + u[17:20] + "-" + u[20:],
		source:      base64.RawStdEncoding.EncodeToString(random[16:]),
	}
	d.Collection(DefaultCollection)
	return d
}

// Version is what the device acts as.
func (d *Device) Version() Version { return d.version }

// Collection returns a collection, "_default" or "scope.name"; it is made if it is not
// there.
func (d *Device) Collection(name string) *Collection {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.collections[name]
	if c == nil {
		c = &Collection{device: d, name: name, docs: make(map[string]*document)}
		d.collections[name] = c
	}
	return c
}

// Put writes a document of the default collection and returns its revision.
func (d *Device) Put(id, body string) string { return d.Collection(DefaultCollection).Put(id, body) }

// Delete deletes a document of the default collection.
func (d *Device) Delete(id string) string { return d.Collection(DefaultCollection).Delete(id) }

// SetBlob puts a blob into a member of a document of the default collection.
func (d *Device) SetBlob(id, member, contentType string, content []byte) string {
	return d.Collection(DefaultCollection).SetBlob(id, member, contentType, content)
}

// Get reads a document of the default collection.
func (d *Device) Get(id string) (Document, bool) { return d.Collection(DefaultCollection).Get(id) }

// Blob returns a blob by its digest.
func (d *Device) Blob(digest string) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	content, ok := d.blobs[digest]
	return content, ok
}

// ForgetServer makes the device take the server for one that it never replicated with:
// it has no checkpoints, and does not know what the server has.
func (d *Device) ForgetServer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remote++
	d.checkpoints = make(map[string]checkpoint)
	for _, c := range d.collections {
		for _, doc := range c.docs {
			doc.remote, doc.kept = "", nil
		}
	}
}

// ResetCheckpoint makes the device forget where it was: it has no local copy of its
// checkpoints.
func (d *Device) ResetCheckpoint() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checkpoints = make(map[string]checkpoint)
}

// Resolve sets how conflicts are resolved from now on: resolver says whether the local
// revision wins. nil: as Couchbase Lite does by itself.
func (d *Device) Resolve(resolver func(local, remote Document) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resolver = resolver
}

// now is the next time of the device's clock (blip.md 5.4).
func (d *Device) now() stamp {
	d.clock = max(uint64(time.Now().UnixNano())&^0xffff, d.clock+1)
	return stamp{d.clock, d.source}
}

// see moves the clock on behind what others wrote.
func (d *Device) see(s stamp) {
	if s.source != legacySource {
		d.clock = max(d.clock, s.time)
	}
}

// violate fails the test: the server broke a rule.
func (d *Device) violate(rule, format string, args ...any) {
	text := fmt.Sprintf("%s device: %s [%s]", d.version, fmt.Sprintf(format, args...), rule)
	d.failing.Lock()
	d.violations = append(d.violations, text)
	d.failing.Unlock()
	d.t.Error(text)
}

// Violations are the rules that servers broke.
func (d *Device) Violations() []string {
	d.failing.Lock()
	defer d.failing.Unlock()
	return slices.Clone(d.violations)
}
