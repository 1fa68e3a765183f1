package lite1

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachEdition runs a test with the Couchbase Lite of each platform.
func eachEdition(t *testing.T, run func(s *site, e Edition)) {
	t.Helper()
	for _, e := range Editions() {
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			run(newSite(t), e)
		})
	}
}

// The requests of a first push and a first pull, one by one.
func TestRequestsOfAReplication(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one := NewDevice(t, e)
		one.Put("a", `{"channels":["alice"],"n":1}`)
		one.Put("b", `{"channels":["alice"],"n":2}`)
		one.Attach("b", "photo", "image/png", strings.Repeat("photo ", 1000), false)
		one.Sync(s.push("alice"))
		require.Equal(t, []string{
			"GET /notes/_local/…", "POST /notes/_revs_diff", "PUT /notes/b?new_edits=false", "POST /notes/_bulk_docs", "PUT /notes/_local/…",
		}, one.Requests())
		one.Sync(s.push("alice"))
		require.Equal(t, []string{"GET /notes/_local/…"}, one.Requests(), "there is nothing new")

		other := NewDevice(t, e)
		other.Sync(s.as("alice"))
		feed := "POST /notes/_changes?active_only=true&feed=normal&heartbeat=300000&style=all_docs"
		require.Equal(t, []string{
			"GET /notes/_local/…", feed, "POST /notes/_bulk_get?attachments=true&revs=true", "PUT /notes/_local/…",
		}, other.Requests())
		require.Equal(t, one.Holds(), other.Holds())
		require.Equal(t, one.Holds(), s.holds())
		s.put("c", `{"channels":["alice"]}`)
		other.Sync(s.as("alice"))
		require.Equal(t, []string{
			"GET /notes/_local/…", "POST /notes/_changes?feed=normal&heartbeat=300000&since=4&style=all_docs",
			"GET /notes/c?attachments=true&rev=…&revs=true", "PUT /notes/_local/…",
		}, other.Requests(), "it goes on at its checkpoint")
	})
}

func TestManyDocumentsBothWays(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, e)
		for i := range 250 {
			one.Put(fmt.Sprintf("one-%03d", i), fmt.Sprintf(`{"channels":["alice"],"text":%q}`, strings.Repeat("word ", i)))
			two.Put(fmt.Sprintf("two %03d/ü", i), `{"channels":["alice"]}`)
		}
		one.Sync(s.push("alice"))
		two.Sync(s.push("alice"))
		one.Sync(s.as("alice"))
		two.Sync(s.as("alice"))
		for i := range 100 {
			two.Put(fmt.Sprintf("one-%03d", i), `{"channels":["alice"],"new":true}`)
			one.Delete(fmt.Sprintf("two %03d/ü", i))
		}
		for range 2 {
			one.Sync(s.push("alice"))
			two.Sync(s.push("alice"))
			one.Sync(s.as("alice"))
			two.Sync(s.as("alice"))
		}
		require.Len(t, one.Holds(), 500)
		require.Equal(t, one.Holds(), two.Holds())
		require.Equal(t, one.Holds(), s.holds())
	})
}

// Small content goes in the JSON, large in parts of its own, and what the other side has does
// not go at all; some of it compressed, which the server stores decoded.
func TestAttachmentsBothWays(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, Java)
		large := strings.Repeat("large content ", 1000)
		one.Put("d", `{"channels":["alice"],"n":1}`)
		one.Attach("d", "small.txt", "text/plain", "small", false)
		one.Attach("d", "a photo é.jpg", "image/jpeg", large, false)
		one.Attach("d", "packed.txt", "text/plain", large, true)
		one.Attach("d", "small packed.txt", "text/plain", strings.Repeat("x", 500), true)
		one.Attach("d", "blob_/photo/0", "image/png", large+"2", false)
		one.Put("e", `{"channels":["alice"]}`)
		one.Attach("e", "empty", "text/plain", "", false)
		one.Sync(s.push("alice"))
		two.Sync(s.as("alice"))
		require.Equal(t, one.Holds(), two.Holds())
		require.Equal(t, large, two.Content("d", "packed.txt"))
		require.Equal(t, large, two.Content("d", "a photo é.jpg"))

		two.Put("d", `{"channels":["alice"],"n":2}`)
		two.Attach("d", "more", "text/plain", large+"more", false)
		two.Requests()
		two.Sync(s.push("alice"))
		one.Sync(s.as("alice"))
		require.Equal(t, one.Holds(), two.Holds())
		require.Equal(t, one.Holds(), s.holds())
		require.Equal(t, large+"more", one.Content("d", "more"))

		// Of the server's side, with a name that no part can have.
		rev := s.put("f", `{"channels":["alice"],"_attachments":{"a \"b\"":{"data":"`+base64.StdEncoding.EncodeToString([]byte(large))+`"}}}`)
		require.NotEmpty(t, rev)
		one.Sync(s.as("alice"))
		require.Equal(t, large, one.Content("f", `a "b"`))
	})
}

func TestConflictsAreBranchesUntilTheyAreResolved(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, e)
		one.Put("d", `{"channels":["alice"],"v":0}`)
		one.Attach("d", "a", "text/plain", "kept", false)
		one.Sync(s.push("alice"))
		two.Sync(s.as("alice"))
		one.Put("d", `{"channels":["alice"],"v":"one"}`)
		two.Put("d", `{"channels":["alice"],"v":"two"}`)
		two.Put("d", `{"channels":["alice"],"v":"two again"}`)
		for _, device := range []*Device{one, two, one} {
			device.Sync(s.push("alice"))
			device.Sync(s.as("alice"))
		}
		require.Len(t, one.Conflicts("d"), 2)
		require.JSONEq(t, `{"channels":["alice"],"v":"two again"}`, one.Body("d"))
		require.Equal(t, one.Holds(), two.Holds())
		require.Equal(t, one.Holds(), s.holds())
		one.Resolve("d", `{"channels":["alice"],"v":"both"}`)
		for _, device := range []*Device{one, two} {
			device.Sync(s.push("alice"))
			device.Sync(s.as("alice"))
		}
		require.Len(t, two.Conflicts("d"), 1)
		require.JSONEq(t, `{"channels":["alice"],"v":"both"}`, two.Body("d"))
		require.Equal(t, "kept", two.Content("d", "a"))
		require.Equal(t, one.Holds(), two.Holds())
		require.Equal(t, one.Holds(), s.holds())
	})
}

func TestDeletionsReachTheOtherSide(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, e)
		for _, id := range []string{"a", "b", "c"} {
			one.Put(id, `{"channels":["alice"]}`)
		}
		one.Sync(s.push("alice"))
		two.Sync(s.as("alice"))
		two.Delete("a")
		s.do("DELETE", "b?rev="+one.Conflicts("b")[0], "")
		two.Sync(s.push("alice"))
		for _, device := range []*Device{one, two} {
			device.Sync(s.as("alice"))
			require.Empty(t, device.Body("a"))
			require.Empty(t, device.Body("b"))
			require.NotEmpty(t, device.Body("c"))
		}
		require.Equal(t, one.Holds(), two.Holds())
		require.Equal(t, one.Holds(), s.holds())
		one.Put("a", `{"channels":["alice"],"again":true}`)
		one.Sync(s.push("alice"))
		two.Sync(s.as("alice"))
		require.Equal(t, one.Holds(), two.Holds())
		late := NewDevice(t, e)
		late.Sync(s.as("alice"))
		require.NotContains(t, late.Holds(), "b", "a first pull asks for no tombstones")
		require.Equal(t, one.Holds()["a"], late.Holds()["a"])
	})
}

// What the policy refuses is done with, and keeps nothing else back.
func TestRefusedRevisionsKeepNothingBack(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one := NewDevice(t, e)
		one.Put("bad", `{"bad":true}`)
		one.Put("bad too", `{"bad":true}`)
		one.Attach("bad too", "a", "text/plain", strings.Repeat("x", 5000), false)
		one.Put("good", `{"channels":["alice"]}`)
		one.Sync(s.push("alice"))
		require.Equal(t, map[string][]string{"good": one.Holds()["good"]}, s.holds())
		one.Requests()
		one.Sync(s.push("alice"))
		require.Equal(t, []string{"GET /notes/_local/…"}, one.Requests())
	})
}

func TestChannelsAndDocumentsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		s.give("alice", "a", "b")
		for id, channel := range map[string]string{"in a": "a", "in b": "b", "in c": "c"} {
			s.put(id, `{"channels":["`+channel+`"]}`)
		}
		for name, test := range map[string]struct {
			config Config
			want   []string
		}{
			"a channel":   {Config{Channels: []string{"b"}}, []string{"in b"}},
			"channels":    {Config{Channels: []string{"a", "c", "none"}}, []string{"in a"}},
			"documents":   {Config{DocIDs: []string{"in a", "in c"}}, []string{"in a"}},
			"all of hers": {Config{}, []string{"in a", "in b"}},
		} {
			c := test.config
			c.URL, c.User, c.Password = s.url, "alice", "correct horse"
			once, live := NewDevice(t, e), NewDevice(t, e)
			once.Sync(c)
			require.ElementsMatch(t, test.want, ids(once), name)
			live.Start(c).AwaitIdle(1)
			require.ElementsMatch(t, test.want, ids(live), name)
		}
	})
}

// To a server that does not call itself Sync Gateway 1.x speaks as to a CouchDB.
func TestAsWithACouchDB(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, e)
		push, pull := s.push("alice"), s.as("alice")
		push.CouchDB, pull.CouchDB = true, true
		for i := range 60 {
			one.Put(fmt.Sprintf("d%02d", i), `{"channels":["alice"]}`)
		}
		one.Attach("d00", "a", "text/plain", strings.Repeat("x", 5000), false)
		one.Sync(push)
		two.Sync(pull)
		require.Equal(t, one.Holds(), two.Holds())
		require.Contains(t, two.Requests(), "POST /notes/_all_docs?include_docs=true")
		two.Delete("d01")
		two.Sync(push)
		live := one.Start(pull)
		live.AwaitIdle(1)
		require.Empty(t, one.Body("d01"))
		s.put("new", `{"channels":["alice"]}`)
		one.Await("what comes", func() bool { return one.Body("new") != "" })
	})
}

// A device keeps twenty generations, and asks for no more.
func TestLongHistories(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, e)
		for n := range 40 {
			one.Put("d", fmt.Sprintf(`{"channels":["alice"],"n":%d}`, n))
		}
		one.Sync(s.push("alice"))
		two.Sync(s.as("alice"))
		require.Equal(t, one.Holds(), two.Holds())
		require.Len(t, two.docs["d"].revs, maxRevTreeDepth)
		two.Put("d", `{"channels":["alice"],"n":"two"}`)
		two.Sync(s.push("alice"))
		one.Sync(s.as("alice"))
		require.Equal(t, one.Holds(), two.Holds())
		require.Len(t, one.Conflicts("d"), 1)
	})
}

func ids(d *Device) []string {
	all := []string{}
	for id := range d.Holds() {
		all = append(all, id)
	}
	return all
}
