package lite

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bobs are replications of bob.
func (s *site) bobs() Config {
	config := s.both()
	config.Header = as("bob")
	return config
}

func (d *Device) ids() (ids []string) {
	for id, doc := range d.Collection(DefaultCollection).All() {
		if !doc.Deleted {
			ids = append(ids, id)
		}
	}
	return ids
}

// Rows 8, 59 to 63.
func TestADeviceHoldsWhatItsUserMaySee(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T).controlled(), NewDevice(t, v)
		s.give("bob", "a", "b")
		s.put("in-a", `{"channels":["a"]}`)
		s.put("in-both", `{"channels":["a","b"]}`)
		s.put("in-b", `{"channels":["b"]}`)
		s.put("in-c", `{"channels":["c"]}`)
		s.put("public", `{"channels":["!"]}`)
		d.Sync(s.bobs())
		require.ElementsMatch(t, []string{"in-a", "in-both", "in-b", "public"}, d.ids())
		s.put("in-both", `{"channels":["b","c"]}`) // bob sees it still
		d.Sync(s.bobs())
		require.ElementsMatch(t, []string{"in-a", "in-both", "in-b", "public"}, d.ids())
		s.put("in-a", `{"channels":["c"]}`)
		d.Sync(s.bobs())
		require.ElementsMatch(t, []string{"in-both", "in-b", "public"}, d.ids())
		s.give("bob", "a", "b", "c")
		d.Sync(s.bobs())
		require.ElementsMatch(t, []string{"in-a", "in-both", "in-b", "in-c", "public"}, d.ids())
		s.give("bob", "b")
		d.Sync(s.bobs())
		if v == V28 { // it has no revocations: only what changes later goes
			s.put("in-a", `{"channels":["c"],"n":2}`)
			d.Sync(s.bobs())
			return
		}
		require.ElementsMatch(t, []string{"in-both", "in-b", "public"}, d.ids())
	})
}

// Rows 4, 27: a grant counts in a feed that is open.
func TestAGrantBringsDocumentsIntoAnOpenReplication(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T).controlled(), NewDevice(t, v)
		s.give("bob", "a")
		s.put("in-a", `{"channels":["a"]}`)
		s.put("in-b", `{"channels":["b"]}`)
		keep := d.Keep(s.bobs())
		holds := func(ids ...string) {
			t.Helper()
			require.Eventually(t, func() bool {
				got := d.ids()
				return len(got) == len(ids)
			}, 10*time.Second, 10*time.Millisecond, "%v", ids)
			require.ElementsMatch(t, ids, d.ids())
		}
		holds("in-a")
		s.give("bob", "a", "b")
		holds("in-a", "in-b")
		s.put("also-b", `{"channels":["b"]}`)
		holds("in-a", "in-b", "also-b")
		if v != V28 {
			s.give("bob", "a")
			holds("in-a")
		}
		require.NoError(t, keep.Stop())
	})
}

// A pull by channels, row 61.
func TestAPullOfChannels(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T).controlled(), NewDevice(t, v)
		s.give("bob", "a", "b")
		s.put("in-a", `{"channels":["a"]}`)
		s.put("in-b", `{"channels":["b"]}`)
		config := s.bobs()
		config.Push = false
		config.Channels = []string{"a", "z"}
		d.Sync(config)
		require.ElementsMatch(t, []string{"in-a"}, d.ids())
		s.put("in-a", `{"channels":["b"]}`) // bob sees it still, but not by this pull
		d.Sync(config)
		require.ElementsMatch(t, []string{"in-a"}, d.ids(), "a document that moved to another visible channel is not removed")
	})
}

// Row 39, and finding 6.
func TestARejectedDocumentIsTriedTwice(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T).controlled(), NewDevice(t, v)
		d.Put("good", `{}`)
		d.Put("bad", `{"bad":true}`)
		r := d.Sync(s.both())
		require.Equal(t, map[string]*Error{"bad": {"HTTP", http.StatusForbidden, "no bad docs"}}, r.DocumentErrors())
		require.Len(t, s.documents(s.db.Default()), 1)
	})
}

func TestAWrongPasswordIsAnsweredBeforeTheUpgrade(t *testing.T) {
	everyVersion(t, func(t versioned) {
		v := t.version
		s, d := newSite(t.T), NewDevice(t, v)
		config := s.both()
		config.Header = as("nobody")
		err := d.Start(config).Wait()
		require.Equal(t, &Error{"HTTP", http.StatusUnauthorized, "Name or password is incorrect."}, err)
		require.False(t, err.(*Error).Transient(v)) //nolint:errorlint // as it is
	})
}
