package lite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// everything are the versions that tests act as.
var everything = []Version{V28, V32, V34, V40, V41}

// versioned is a test as one version of Couchbase Lite.
type versioned struct {
	*testing.T
	version Version
}

// everyVersion runs a test as each version.
func everyVersion(t *testing.T, run func(versioned)) {
	t.Helper()
	t.Parallel()
	for _, v := range everything {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			run(versioned{t, v})
		})
	}
}

func TestWhatADevicePushesTheServerHolds(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		for i := range 450 { // three batches
			d.Put(fmt.Sprintf("doc-%03d", i), fmt.Sprintf(`{"n":%d,"big":9223372036854775807,"text":"ä€\u0000<&>"}`, i))
		}
		s.pushOnlySync(d)
		s.requireSame(d)
		d.Put("doc-001", `{"n":"new"}`)
		d.Delete("doc-002")
		s.pushOnlySync(d)
		s.requireSame(d)
	})
}

func (s *site) pushOnlySync(d *Device) *Replication { return d.Sync(s.pushOnly()) }

func TestWhatTheServerHoldsADevicePulls(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		for i := range 450 {
			s.put(fmt.Sprintf("doc-%03d", i), fmt.Sprintf(`{"n":%d,"big":9223372036854775807,"text":"ä€\u0000<&>"}`, i))
		}
		d.Sync(s.pullOnly())
		s.requireSame(d)
		s.put("doc-001", `{"n":"new"}`)
		s.remove("doc-002")
		s.put("doc-003", `{}`)
		s.put("doc-003", `{"twice":true}`)
		d.Sync(s.pullOnly())
		s.requireSame(d)
		gone, ok := d.Get("doc-002")
		require.True(t, ok)
		require.True(t, gone.Deleted)
	})
}

// Row 25.
func TestAFirstPullBringsNoTombstones(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		s.put("gone", `{}`)
		s.remove("gone")
		s.put("here", `{}`)
		d.Sync(s.both())
		s.requireSame(d)
		_, ok := d.Get("gone")
		require.False(t, ok)
		s.remove("here")
		d.Sync(s.both())
		s.requireSame(d)
	})
}

func TestEditsOnBothSidesOfDifferentDocumentsMeet(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		d.Put("a", `{"from":"device"}`)
		s.put("b", `{"from":"server"}`)
		d.Sync(s.both())
		s.requireSame(d)
		d.Put("b", `{"from":"device"}`)
		s.put("a", `{"from":"server"}`)
		d.Sync(s.both())
		s.requireSame(d)
	})
}

func TestConflictsAreResolvedAndPushed(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		for name, edit := range map[string]func(s *site, d *Device){
			"update, update":  func(s *site, d *Device) { s.put("a", `{"from":"server"}`); d.Put("a", `{"from":"device"}`) },
			"update, updates": func(s *site, d *Device) { s.put("a", `{"s":1}`); d.Put("a", `{"d":1}`); d.Put("a", `{"d":2}`) },
			"updates, update": func(s *site, d *Device) { s.put("a", `{"s":1}`); s.put("a", `{"s":2}`); d.Put("a", `{"d":1}`) },
			"delete, update":  func(s *site, d *Device) { s.remove("a"); d.Put("a", `{"from":"device"}`) },
			"update, delete":  func(s *site, d *Device) { s.put("a", `{"from":"server"}`); d.Delete("a") },
			"delete, delete":  func(s *site, d *Device) { s.remove("a"); d.Delete("a") },
			"both anew":       func(s *site, d *Device) { s.put("new", `{"from":"server"}`); d.Put("new", `{"from":"device"}`) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, wins := range []func(_, _ Document) bool{nil, func(_, _ Document) bool { return true }, func(_, _ Document) bool { return false }} {
					s, d, other := newSite(t), NewDevice(t, v), NewDevice(t, v)
					s.put("a", `{}`)
					d.Sync(s.both())
					other.Sync(s.both())
					d.Resolve(wins)
					edit(s, d)
					d.Sync(s.both()) // brings the conflict
					d.Sync(s.both()) // pushes what became of it
					s.requireSame(d)
					other.Sync(s.both())
					s.requireSame(other)
				}
			})
		}
	})
}

// Rows 44, 45.
func TestADeletedDocumentCanBeMadeAgain(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other, late := newSite(t.T), NewDevice(t, v), NewDevice(t, v), NewDevice(t, v)
		d.Put("a", `{"life":1}`)
		d.Sync(s.both())
		other.Sync(s.both())
		d.Delete("a")
		d.Sync(s.both())
		s.requireSame(d)
		d.Put("a", `{"life":2}`)
		d.Sync(s.both())
		s.requireSame(d)
		other.Sync(s.both())
		s.requireSame(other)
		s.remove("a")
		d.Sync(s.both())
		s.requireSame(d)
		s.put("a", `{"life":3}`)
		d.Sync(s.both())
		s.requireSame(d)
		s.remove("a")
		late.Sync(s.both()) // hears nothing of it
		late.Put("a", `{"life":4}`)
		late.Sync(s.both())
		late.Sync(s.both())
		s.requireSame(late)
		d.Sync(s.both())
		s.requireSame(d)
	})
}

// An offline device edits more often than ancestors are sent.
func TestALongHistoryIsCut(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other := newSite(t.T), NewDevice(t, v), NewDevice(t, v)
		d.Put("a", `{"n":0}`)
		d.Sync(s.both())
		other.Sync(s.both())
		for i := range 70 {
			d.Put("a", fmt.Sprintf(`{"n":%d}`, i+1))
		}
		require.Empty(t, d.Sync(s.both()).DocumentErrors())
		s.requireSame(d)
		other.Sync(s.both())
		s.requireSame(other)
		other.Put("a", `{"n":"end"}`)
		other.Sync(s.both())
		s.requireSame(other)
		for i := range 70 {
			s.put("a", fmt.Sprintf(`{"rest":%d}`, i))
		}
		d.Sync(s.both())
		s.requireSame(d)
		d.Put("a", `{"n":"really"}`)
		d.Sync(s.both())
		s.requireSame(d)
	})
}

// Rows 16, 17.
func TestCollectionsAreApart(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		if v == V28 {
			t.Skip("2.8 has no collections")
		}
		s, d, other := newSite(t.T), NewDevice(t, v), NewDevice(t, v)
		names := []string{"app.orders", DefaultCollection, "app.users"}
		for _, name := range []string{"orders", "users"} {
			_, err := s.db.OpenCollection(s.ctx, "app", name)
			require.NoError(t, err)
		}
		for i, name := range names {
			for n := range 5 * (i + 1) {
				d.Collection(name).Put(fmt.Sprintf("doc-%d", n), fmt.Sprintf(`{"in":%q}`, name))
			}
			d.Collection(name).SetBlob("blob", "b", "text/plain", []byte(name))
		}
		config := s.both()
		config.Collections = names
		d.Sync(config)
		other.Sync(config)
		other.Collection("app.users").Delete("doc-1")
		other.Collection("app.orders").Put("doc-1", `{"new":1}`)
		other.Sync(config)
		d.Sync(config)
		for _, name := range names {
			s.requireSame(d, name)
			s.requireSame(other, name)
		}
	})
}

// Row 97, and the same document of every version.
func TestVersionsOfCouchbaseLiteShareADatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site) { s.deltas = true })
	var devices []*Device
	for _, v := range everything {
		devices = append(devices, NewDevice(t, v))
	}
	for round := range 4 {
		for i, d := range devices {
			d.Sync(s.both())
			d.Collection(DefaultCollection).Update("shared", func(body map[string]any) { body[fmt.Sprintf("by%d", i)] = round })
			d.Put(fmt.Sprintf("own-%d", i), fmt.Sprintf(`{"round":%d}`, round))
			d.Sync(s.both())
			s.requireSame(d)
		}
	}
	for _, d := range devices {
		d.Sync(s.both())
		s.requireSame(d)
	}
	doc, err := s.db.Default().Get(s.ctx, "shared", syncstore.GetOptions{})
	require.NoError(t, err)
	require.JSONEq(t, `{"by0":3,"by1":3,"by2":3,"by3":3,"by4":3}`, string(doc.Body))
}

func TestAContinuousReplicationBringsEachWrite(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d, other := newSite(t.T), NewDevice(t, v), NewDevice(t, v)
		s.put("before", `{}`)
		config := s.both()
		config.Heartbeat = 20 * time.Millisecond
		keep, keepOther := d.Keep(config), other.Keep(config)
		s.eventuallySame(d)
		keep.Current().WaitIdle(t.T)
		for i := range 20 {
			d.Put(fmt.Sprintf("d-%d", i), `{}`)
			s.put(fmt.Sprintf("s-%d", i), `{}`)
			other.Put(fmt.Sprintf("o-%d", i), `{}`)
			if i == 10 {
				s.restart() // a reload: all come back
			}
		}
		s.remove("before")
		s.eventuallySame(d, other)
		require.NoError(t, keep.Stop())
		require.NoError(t, keepOther.Stop())
		require.Greater(t, keep.Connections(), 1)
	})
}

// eventuallySame waits until devices have nothing to push, and all hold what the server does.
func (s *site) eventuallySame(devices ...*Device) {
	s.t.Helper()
	left := func() (differences []string) {
		for _, d := range devices {
			if d.Collection(DefaultCollection).Pending() {
				differences = append(differences, d.version.String()+" has something to push")
			}
		}
		for _, d := range devices {
			differences = append(differences, s.differences(d)...)
		}
		return differences
	}
	differences := left()
	for deadline := time.Now().Add(20 * time.Second); len(differences) > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		differences = left()
	}
	require.Empty(s.t, differences, strings.Join(differences, "\n"))
}
