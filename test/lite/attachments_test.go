package lite

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// asked counts the server's requests of a profile.
func asked(r *Replication, profile string) (n int) {
	for _, m := range r.Messages() {
		if m.FromServer && m.Profile() == profile {
			n++
		}
	}
	return n
}

// has counts the messages that have a property.
func has(r *Replication, fromServer bool, property string) (n int) {
	for _, m := range r.Messages() {
		if _, ok := m.find(property); ok && m.FromServer == fromServer {
			n++
		}
	}
	return n
}

// Rows 64, 65.
func TestBlobsGoBothWays(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other := newSite(t.T), NewDevice(t, v), NewDevice(t, v)
		content := noise(40_000)
		d.SetBlob("a", "pic", "image/png", content)
		d.SetBlob("b", "pic", "image/png", content)
		d.SetBlob("c", "text", "text/plain", make([]byte, 100_000))
		d.SetBlob("empty", "text", "text/plain", []byte{})
		r := d.Sync(s.both())
		require.Equal(t, 4, asked(r, "getAttachment"), "of another document it is not proved")
		s.requireSame(d)
		other.Sync(s.both())
		s.requireSame(other)
		got, ok := other.Blob(digestOf(content))
		require.True(t, ok)
		require.Equal(t, content, got)
		other.Collection(DefaultCollection).Update("a", func(body map[string]any) { body["n"] = 1 })
		r = other.Sync(s.both())
		require.Zero(t, asked(r, "getAttachment"), "nothing new")
		s.requireSame(other)
		d.Sync(s.both())
		s.requireSame(d)
	})
}

func TestBlobsAnywhereInADocument(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other := newSite(t.T), NewDevice(t, v), NewDevice(t, v)
		blob := func(text string) any { return d.AddBlob("text/plain", []byte(text)) }
		d.Collection(DefaultCollection).Update("a", func(body map[string]any) {
			body["photos"] = []any{blob("one"), map[string]any{"deep": blob("two")}}
			body["a/b~c"] = blob("three")
			body["other"] = map[string]any{"_attachments": map[string]any{"data": 1}} // row 72
		})
		d.Sync(s.both())
		s.requireSame(d)
		doc, _ := d.Get("a")
		require.Len(t, doc.Attachments, 3)
		other.Sync(s.both())
		s.requireSame(other)
	})
}

func TestAttachmentsOfOthersStayWhenADeviceEdits(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		s.put("a", `{"n":1}`, s.attach("hello.txt", "text/plain", "hello"), s.attach("other.bin", "application/x", "x"))
		d.Sync(s.both())
		s.requireSame(d)
		d.Collection(DefaultCollection).Update("a", func(body map[string]any) {
			body["n"] = json.Number("2")
			body["pic"] = d.AddBlob("image/png", []byte("pixels"))
		})
		d.Sync(s.both())
		s.requireSame(d)
		doc, _ := d.Get("a")
		require.Len(t, doc.Attachments, 3)
	})
}

// The document is long enough for a delta, which up to version 3 says nothing of the attachment.
func TestABlobThatGoesTakesItsAttachment(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other := newSite(t.T, func(s *site) { s.deltas = true }), NewDevice(t, v), NewDevice(t, v)
		d.Put("a", long(1))
		d.Collection(DefaultCollection).Update("a", func(body map[string]any) { body["pic"] = d.AddBlob("image/png", []byte("pixels")) })
		d.Sync(s.both())
		s.requireSame(d)
		d.Collection(DefaultCollection).Update("a", func(body map[string]any) { delete(body, "pic") })
		r := d.Sync(s.both())
		require.Equal(t, 1, has(r, false, "deltaSrc"))
		s.requireSame(d)
		doc, _ := d.Get("a")
		require.Empty(t, doc.Attachments)
		other.Sync(s.both())
		s.requireSame(other)
	})
}

// Through REST the content of a blob is another: the entry of _attachments counts.
func TestABlobThatWasEditedElsewhere(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		d.SetBlob("a", "pic", "image/png", []byte("before"))
		d.Sync(s.both())
		current, err := s.db.Default().Get(s.ctx, "a", syncstore.GetOptions{})
		require.NoError(t, err)
		s.put("a", string(current.Body), s.attach("blob_/pic", "image/png", "after"))
		d.Sync(s.both())
		doc, _ := d.Get("a")
		require.Equal(t, map[string]string{"blob_/pic": digestOf([]byte("after"))}, doc.Attachments)
	})
}

// Row 3.12 of the messages: LiteCore/7 is how a client says that it lacks a blob.
func TestABlobThatTheDeviceLacks(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		d.SetBlob("a", "pic", "image/png", []byte("lost"))
		d.Put("b", `{}`)
		d.mu.Lock()
		clear(d.blobs)
		d.mu.Unlock()
		r := d.Sync(s.both())
		require.NotNil(t, r.DocumentErrors()["a"])
		all := s.documents(s.db.Default())
		require.Len(t, all, 1)
		require.Contains(t, all, "b")
	})
}

// Pongs come while a large blob goes through.
func TestALargeBlobGoesThroughBothWays(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other := newSite(t.T), NewDevice(t, v), NewDevice(t, v)
		d.SetBlob("a", "pic", "image/png", noise(3<<20))
		config := s.both()
		config.Heartbeat = 5 * time.Millisecond
		d.Sync(config)
		s.requireSame(d)
		other.Sync(config)
		s.requireSame(other)
	})
}

func long(n int) string { return fmt.Sprintf(`{"n":%d,"long":"%0500d"}`, n, 0) }

// Rows 73 to 77, 81, 82.
func TestDeltasGoBothWays(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		for name, config := range map[string]func(*Config){
			"taken": func(*Config) {}, "refused": func(c *Config) { c.RefuseDeltas = true }, "unknown": func(c *Config) { c.NoDeltas = true },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, d := newSite(t, func(s *site) { s.deltas = true }), NewDevice(t, v)
				c := s.both()
				config(&c)
				d.Put("a", long(1))
				d.Collection(DefaultCollection).Update("a", func(body map[string]any) { body["pic"] = d.AddBlob("image/png", []byte("pixels")) })
				d.Sync(c)
				d.Collection(DefaultCollection).Update("a", func(body map[string]any) { body["n"] = json.Number("2") })
				r := d.Sync(c)
				s.requireSame(d)
				require.Equal(t, map[string]int{"taken": 1, "refused": 1, "unknown": 0}[name], has(r, false, "deltaSrc"))
				d.Collection(DefaultCollection).Update("a", func(body map[string]any) { body["more"] = d.AddBlob("image/png", []byte("more pixels")) })
				r = d.Sync(c)
				s.requireSame(d)
				require.Equal(t, 1, asked(r, "getAttachment"), "the new one")

				s.edit("a", `{"n":3}`, s.attach("new.txt", "text/plain", "new"))
				r = d.Sync(c)
				s.requireSame(d)
				require.Equal(t, map[string]int{"taken": 1, "refused": 1, "unknown": 0}[name], has(r, true, "deltaSrc"))
				s.remove("a")
				r = d.Sync(c)
				require.Zero(t, has(r, true, "deltaSrc"), "row 79")
				s.requireSame(d)
			})
		}
	})
}

// edit changes members of a document as an administrator; its attachments stay.
func (s *site) edit(id, members string, more ...syncstore.AttachmentEdit) {
	s.t.Helper()
	current, err := s.db.Default().Get(s.ctx, id, syncstore.GetOptions{})
	require.NoError(s.t, err)
	body, err := decodeObject(current.Body)
	require.NoError(s.t, err)
	changes, err := decodeObject([]byte(members))
	require.NoError(s.t, err)
	maps.Copy(body, changes)
	for _, a := range current.Attachments {
		more = append(more, syncstore.AttachmentEdit{Name: a.Name, Stub: true})
	}
	s.put(id, string(encode(body)), more...)
}
