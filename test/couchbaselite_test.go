package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/cblite"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// channelSync puts documents into the channels that they name.
const channelSync = `function (doc) { channel(doc.channels) }`

// couchbaseLite is what versions of the real Couchbase Lite there are (test/cblite/README.md). None
// can be installed by this project, so this is not in CI.
func couchbaseLite(t *testing.T) []cblite.Library {
	t.Helper()

	all, err := cblite.Libraries(t.Context(), t.TempDir())
	require.NoError(t, err)

	if len(all) == 0 {
		t.Skipf("NOT RUN: %s lists no folder of Couchbase Lite for C", cblite.Variable)
	}

	return all
}

// liteSite is a server with users, each of whom has a device.
type liteSite struct {
	t           *testing.T
	server      *harness.Server
	people      []*liteUser
	collections []string // that all devices have
}

type liteUser struct {
	*cblite.Device

	name     string
	header   map[string]string
	channels []string // that an administrator gave
	resolver string
	live     bool
}

func newLiteSite(t *testing.T, libraries ...cblite.Library) *liteSite {
	t.Helper()

	sync := filepath.Join(t.TempDir(), "sync.js")
	require.NoError(t, os.WriteFile(sync, []byte(channelSync), 0o600))

	s := &liteSite{t: t, server: harness.New(t, harness.Options{Settings: harness.Settings{
		Sync: liteCloseDelayLine(0), Provider: "username_claim sub\nregister", Database: "sync_function " + sync + "\ncollection items {\nsync_function " + sync + "\n}",
	}})}

	s.collections = []string{cblite.Default, "items"}
	if slices.ContainsFunc(libraries, cblite.Library.Before3) {
		s.collections = s.collections[:1]
	}

	for n, l := range libraries {
		u := &liteUser{Device: cblite.New(t, l, s.collections[1:]...), name: []string{"alice", "bob", "carol"}[n]}
		u.header = bearer(t, s.server, u.name)
		require.Equal(t, http.StatusOK, ask(t, s.server, request{url: "/notes/", header: u.header}).status)
		s.people = append(s.people, u)
		s.give(u, u.name)
	}

	return s
}

// give sets the channels of a user, in both collections.
func (s *liteSite) give(u *liteUser, channels ...string) {
	s.t.Helper()

	u.channels = channels
	s.put("/notes/_user/"+u.name, map[string]any{
		"admin_channels":    channels,
		"collection_access": map[string]any{"_default": map[string]any{"items": map[string]any{"admin_channels": channels}}},
	})
}

func (s *liteSite) admin(method, path, body string) reply {
	s.t.Helper()

	return ask(s.t, s.server, request{method: method, url: s.server.AdminURL + path, body: body})
}

func (s *liteSite) put(path string, body any) reply {
	s.t.Helper()

	text, err := json.Marshal(body)
	require.NoError(s.t, err)

	return s.admin(http.MethodPut, path, string(text))
}

// replication is one of a user's device with the server.
func (s *liteSite) replication(u *liteUser, continuous bool) cblite.Replication {
	return cblite.Replication{
		URL: strings.Replace(s.server.URL, "http://", "ws://", 1) + "/notes", Continuous: continuous,
		Headers: u.header, Collections: s.collections, Resolver: u.resolver,
	}
}

// anotherAddress is one of the same database: that of a proxy.
func (s *liteSite) anotherAddress() string {
	s.t.Helper()

	target, err := url.Parse(s.server.URL)
	require.NoError(s.t, err)

	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	s.t.Cleanup(proxy.Close)

	return strings.Replace(proxy.URL, "http://", "ws://", 1) + "/notes"
}

// replicate replicates once, without an error.
func (s *liteSite) replicate(u *liteUser) {
	s.t.Helper()

	end := u.Replicate(s.replication(u, false))
	require.Nil(s.t, end.Error, "%s, Couchbase Lite %s", u.name, u.Library)
}

// stored is what the server has in a collection.
func (s *liteSite) stored(collection string) map[string]map[string]any {
	s.t.Helper()

	var all struct {
		Rows []struct {
			ID  string         `json:"id"`
			Doc map[string]any `json:"doc"`
		} `json:"rows"`
	}

	got := s.admin(http.MethodGet, "/notes._default."+collection+"/_all_docs?include_docs=true", "")
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &all), got.body)

	docs := make(map[string]map[string]any)
	for _, row := range all.Rows {
		maps.DeleteFunc(row.Doc, func(name string, _ any) bool { return strings.HasPrefix(name, "_") })
		docs[row.ID] = row.Doc
	}

	return docs
}

// saveRound saves documents that say in which round that was, in the user's own channel.
func (u *liteUser) saveRound(round int, ids ...string) {
	for _, id := range ids {
		u.Save(cblite.Default, id, map[string]any{"channels": []string{u.name}, "round": round}, nil)
	}
}

// putRound has somebody else save a document in a round.
func (s *liteSite) putRound(round int, id string) {
	s.t.Helper()

	path := "/notes/" + url.PathEscape(id)

	var doc map[string]any

	require.NoError(s.t, json.Unmarshal([]byte(s.admin(http.MethodGet, path, "").body), &doc))
	doc["round"] = round
	require.Equal(s.t, http.StatusCreated, s.put(path, doc).status)
}

// rounds is in which round each document that the server has was saved.
func (s *liteSite) rounds() map[string]any {
	s.t.Helper()

	rounds := map[string]any{}
	for id, doc := range s.stored(cblite.Default) {
		rounds[id] = doc["round"]
	}

	return rounds
}

// differences says where a device has not just what its user may see.
func (s *liteSite) differences(u *liteUser) (said []string) {
	s.t.Helper()

	for _, collection := range s.collections {
		has, want := u.All(collection), s.stored(collection)
		maps.DeleteFunc(want, func(_ string, doc map[string]any) bool {
			names, _ := doc["channels"].([]any)

			return !slices.ContainsFunc(names, func(name any) bool { return slices.Contains(u.channels, fmt.Sprint(name)) })
		})

		for id := range has {
			if want[id] == nil {
				said = append(said, fmt.Sprintf("%s has %s/%s: %v", u.name, collection, id, has[id].Body))
			}
		}

		for id, doc := range want {
			if on, ok := has[id]; !ok || !reflect.DeepEqual(on.Body, doc) || on.Size < 0 {
				said = append(said, fmt.Sprintf("%s: %s/%s is %v, blob %d, and not %v", u.name, collection, id, on.Body, on.Size, doc))
			}
		}
	}

	return said
}

// Two devices with each version of Couchbase Lite change the same documents of two collections, blobs
// among them, while they are apart; each way to resolve conflicts leaves both and the server equal.
func TestCouchbaseLiteDevicesEndEqual(t *testing.T) {
	t.Parallel()

	libraries := couchbaseLite(t)

	for _, resolver := range []string{"", "remote", "local", "merge"} {
		for n, first := range libraries {
			second := libraries[(n+1)%len(libraries)]

			t.Run(fmt.Sprintf("%s, %s, %q", first, second, resolver), func(t *testing.T) {
				t.Parallel()

				s := newLiteSite(t, first, second)
				alice, bob := s.people[0], s.people[1]

				for _, u := range s.people {
					s.give(u, "all")

					u.resolver = resolver
				}

				write := func(u *liteUser, round int) {
					for n := range 12 {
						blob := map[bool]*cblite.Blob{true: {Size: n * 10_000, Seed: n + round}}[n%3 == 0]
						body := map[string]any{"channels": []string{"all"}, u.name: round, "text": strings.Repeat("long ", 100*n)}
						u.Save(s.collections[n%len(s.collections)], fmt.Sprint("d", n), body, blob)
					}
				}

				write(alice, 1)
				s.replicate(alice)

				for round := range 2 { // documents that alice has made, too
					bob.Save(cblite.Default, "d4", map[string]any{"channels": []string{"all"}, "bob": -round}, nil)
				}

				bob.Save(cblite.Default, "d6", map[string]any{"channels": []string{"all"}, "bob": -2}, &cblite.Blob{Size: 50_000, Seed: 7})
				s.replicate(bob)
				write(alice, 2)
				write(bob, 3)
				alice.Delete(cblite.Default, "d0")
				bob.Delete(s.collections[1%len(s.collections)], "d1")

				for range 3 { // what one resolves comes to the other
					s.replicate(alice)
					s.replicate(bob)
				}

				s.replicate(alice)
				require.Empty(t, s.differences(alice))
				require.Empty(t, s.differences(bob))

				for _, collection := range s.collections {
					require.Equal(t, alice.All(collection), bob.All(collection))
				}
			})
		}
	}
}

// A device changes documents before it meets the server at another address, where it knows of none what is there. Nobody
// else changes these: they are no conflicts.
func TestCouchbaseLiteAtAnotherAddressLosesNothing(t *testing.T) {
	t.Parallel()

	for _, l := range couchbaseLite(t) {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()

			s := newLiteSite(t, l)
			alice := s.people[0]
			alice.resolver = "remote"
			save := alice.saveRound

			save(1, "as it was", "edited", "edited often", "deleted")
			s.replicate(alice)
			save(2, "edited", "edited often", "new")
			save(3, "edited often")
			alice.Delete(cblite.Default, "deleted")

			r := s.replication(alice, false)
			r.URL = s.anotherAddress()

			for range 2 {
				require.Nil(t, alice.Replicate(r).Error)
			}

			require.Equal(t, map[string]any{"as it was": 1.0, "edited": 2.0, "edited often": 3.0, "new": 2.0}, s.rounds())
			require.Empty(t, s.differences(alice))
		})
	}
}

// A device pushes by one address of the server and by another, and does not know by either what it pushed by the other,
// nor does it pull.
func TestCouchbaseLiteAtTwoAddressesPushesEverything(t *testing.T) {
	t.Parallel()

	for _, l := range couchbaseLite(t) {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()

			s := newLiteSite(t, l)
			alice := s.people[0]
			here := s.replication(alice, false)
			here.PushOnly = true
			there := here
			there.URL = s.anotherAddress()

			for round, r := range []cblite.Replication{here, there, here, here, there, here} {
				alice.saveRound(round, "edited")
				alice.saveRound(round, "edited often")
				alice.saveRound(round, "edited often")
				require.Nil(t, alice.Replicate(r).Error)
				require.Equal(t, map[string]any{"edited": float64(round), "edited often": float64(round)}, s.rounds())
			}

			alice.Delete(cblite.Default, "edited")
			require.Nil(t, alice.Replicate(there).Error)
			require.Equal(t, map[string]any{"edited often": 5.0}, s.rounds())
		})
	}
}

// A store is restored from a backup. Devices bring back what was written after it, by others too where they pull, and go on.
func TestCouchbaseLiteAtARestoredStoreBringsBackWhatItHas(t *testing.T) {
	t.Parallel()

	for _, l := range couchbaseLite(t) {
		for _, pulls := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, pulls: %v", l, pulls), func(t *testing.T) {
				t.Parallel()
				bringBack(t, l, pulls)
			})
		}
	}
}

func bringBack(t *testing.T, l cblite.Library, pulls bool) {
	t.Helper()

	s := newLiteSite(t, l)
	server := operated{s.server, t}
	alice := s.people[0]
	alice.resolver = "remote"
	save := alice.saveRound
	r := s.replication(alice, false)
	r.PushOnly = !pulls

	save(1, "as it was", "edited", "edited after", "pending", "by others", "deleted")
	require.Nil(t, alice.Replicate(r).Error)
	backup := server.backUp()
	save(2, "edited", "edited after", "new")
	s.putRound(2, "by others")
	alice.Delete(cblite.Default, "deleted")
	require.Nil(t, alice.Replicate(r).Error)
	save(3, "pending")

	server.putBack(backup)
	require.Equal(t, map[string]any{"as it was": 1.0, "edited": 1.0, "edited after": 1.0, "pending": 1.0, "by others": 1.0, "deleted": 1.0}, s.rounds())
	save(4, "edited after")

	want := map[string]any{"as it was": 1.0, "edited": 2.0, "edited after": 4.0, "pending": 3.0, "by others": 2.0, "new": 2.0}
	if !pulls {
		want["by others"] = 1.0
	}

	for round := range 4 {
		require.Nil(t, alice.Replicate(r).Error)
		require.Equal(t, want, s.rounds())
		require.Empty(t, s.differences(alice))

		if round == 1 {
			save(5, "as it was", "new", "by others")

			want["as it was"], want["new"], want["by others"] = 5.0, 5.0, 5.0
		}
	}
}

// A device changes documents, is updated to Couchbase Lite 4 and changes some more before it replicates again, where it
// did before or at another address of the server. Nobody else changes these: none of it is lost.
func TestAnUpdateToCouchbaseLite4LosesNothing(t *testing.T) {
	t.Parallel()

	updates(t, func(t *testing.T, before, after cblite.Library) {
		t.Helper()

		for _, resolver := range []string{"", "remote", "merge"} {
			for _, moves := range []bool{false, true} {
				t.Run(fmt.Sprintf("%q, to another address: %v", resolver, moves), func(t *testing.T) {
					t.Parallel()
					updateCouchbaseLite(t, before, after, resolver, moves)
				})
			}
		}
	})
}

// updates runs a test for each two libraries between which an app may be updated to Couchbase Lite 4.
func updates(t *testing.T, test func(t *testing.T, before, after cblite.Library)) {
	t.Helper()

	libraries := couchbaseLite(t)
	ran := false

	for _, before := range libraries {
		for _, after := range libraries {
			if before.Major() >= 4 || after.Major() < 4 {
				continue
			}

			ran = true

			t.Run(fmt.Sprintf("%s to %s", before, after), func(t *testing.T) {
				t.Parallel()
				test(t, before, after)
			})
		}
	}

	if !ran {
		t.Skipf("NOT RUN: %s lists no versions to update from and to", cblite.Variable)
	}
}

// An app works without a server, is updated to Couchbase Lite 4, and replicates for the first time only then, as one does
// whose user signs in later.
func TestAnAppThatReplicatesFirstAfterItsUpdateToCouchbaseLite4LosesNothing(t *testing.T) {
	t.Parallel()

	updates(t, func(t *testing.T, before, after cblite.Library) {
		t.Helper()

		s := newLiteSite(t, before)
		alice := s.people[0]
		alice.resolver = "remote"
		save := alice.saveRound

		save(1, "as it was", "edited", "edited after", "edited when here", "by others", "deleted")
		save(2, "edited")
		alice.Delete(cblite.Default, "deleted")
		alice.Update(after)
		save(3, "edited after", "new")

		want := map[string]any{"as it was": 1.0, "edited": 2.0, "edited after": 3.0, "edited when here": 1.0, "by others": 1.0, "new": 3.0}

		for round := range 4 {
			s.replicate(alice)
			require.Equal(t, want, s.rounds())
			require.Empty(t, s.differences(alice))

			if round == 1 {
				save(4, "edited when here")
				s.putRound(5, "by others")

				want["edited when here"], want["by others"] = 4.0, 5.0
			}
		}
	})
}

func updateCouchbaseLite(t *testing.T, before, after cblite.Library, resolver string, moves bool) {
	t.Helper()

	s := newLiteSite(t, before)
	alice := s.people[0]
	alice.resolver = resolver
	save := alice.saveRound

	all := []string{"as it was", "edited", "edited often", "deleted", "by others", "edited before", "deleted before", "edited before and after"}
	for round := range 2 {
		save(round, all...)
		s.replicate(alice)
	}

	// What it has not pushed of before the update, Couchbase Lite 4 takes for a conflict at another address, and where the
	// database was one of Couchbase Lite 2: it does not know what the server had.
	forgets := moves || before.Before3()
	if !forgets {
		save(3, "edited before", "edited before and after")
		alice.Delete(cblite.Default, "deleted before")
	}

	if !moves { // Couchbase Lite 4 could not read it any more
		save(3, "made before", "made before, edited after")
	}

	alice.Update(after)

	if !moves {
		save(4, "made before, edited after")
	}

	save(4, "edited", "edited often", "edited before and after", "new")
	save(5, "edited often")
	alice.Delete(cblite.Default, "deleted")

	s.putRound(6, "by others")

	want := map[string]any{"as it was": 1.0, "edited": 4.0, "edited often": 5.0, "by others": 6.0, "edited before": 3.0, "edited before and after": 4.0, "new": 4.0}
	if !moves {
		want["made before"], want["made before, edited after"] = 3.0, 4.0
	}

	if forgets {
		want["edited before"], want["deleted before"] = 1.0, 1.0
	}

	r := s.replication(alice, false)
	if moves {
		r.URL = s.anotherAddress()
	}

	for range 3 {
		require.Nil(t, alice.Replicate(r).Error)
		require.Equal(t, want, s.rounds())
		require.Empty(t, s.differences(alice))
	}
}

// liteHistory is a history of devices that come and go, while users gain and lose channels, an
// administrator writes, and the server is killed.
type liteHistory struct {
	*liteSite

	random *rand.Rand
	// elsewhere is another address of the server, chance whether a device goes there and what an operator does.
	elsewhere string
	chance    *rand.Rand
	// loads is how many configurations were loaded.
	loads int
	// retired are documents that were deleted. Nobody makes them again: a device that does so while it is
	// told of the deletion sees a conflict, in which Couchbase Lite's own resolver takes the deletion.
	retired map[string]bool
	log     []string
}

// TestCouchbaseLiteEndsWithWhatItsUserMaySee plays COUCHBASE_LITE_SEEDS histories, from
// COUCHBASE_LITE_SEED on.
func TestCouchbaseLiteEndsWithWhatItsUserMaySee(t *testing.T) {
	t.Parallel()

	libraries := couchbaseLite(t)
	first := number(t, "COUCHBASE_LITE_SEED", 1)

	for seed := first; seed < first+number(t, "COUCHBASE_LITE_SEEDS", 10); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := &liteHistory{
				random: rand.New(rand.NewPCG(uint64(seed), 0)), chance: rand.New(rand.NewPCG(uint64(seed), 1)), retired: make(map[string]bool),
			}

			used := make([]cblite.Library, 3)
			for n := range used {
				used[n] = libraries[h.random.IntN(len(libraries))]
			}

			h.liteSite = newLiteSite(t, used...)
			h.elsewhere = h.anotherAddress()
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(strings.Join(h.log, "\n"))
				}
			})

			for _, u := range h.people {
				u.resolver = []string{"", "remote", "local", "merge"}[h.random.IntN(4)]
				h.note("%s has Couchbase Lite %s, resolver %q", u.name, u.Library, u.resolver)
			}

			for range 80 {
				h.step()
			}

			h.end()
		})
	}
}

func (h *liteHistory) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *liteHistory) one(of ...string) string { return of[h.random.IntN(len(of))] }

func (h *liteHistory) step() {
	u := h.people[h.random.IntN(len(h.people))]

	switch n := h.random.IntN(25); {
	case n < 8:
		h.save(u)
	case n < 10:
		h.remove(u)
	case n < 14:
		h.write(n == 13)
	case n < 17:
		h.regrant(u)
	case n < 22:
		h.follow(u)
	case n == 22 && h.random.IntN(2) == 0:
		if !h.survivesKills() {
			return
		}

		h.note("the server is killed")
		require.NoError(h.t, h.server.Kill())
		require.NoError(h.t, h.server.Restart(h.t.Context()))
	default:
		h.operate()
		time.Sleep(time.Duration(h.random.IntN(100)) * time.Millisecond)
	}
}

// operate does what an operator does with a server that serves, or nothing.
func (h *liteHistory) operate() {
	if !h.survivesKills() {
		return
	}

	switch h.chance.IntN(6) {
	case 0:
		collection := h.collections[h.chance.IntN(len(h.collections))]
		h.note("resync of %s: %d", collection, h.admin(http.MethodPost, "/notes._default."+collection+"/_resync", "").status)
	case 1:
		h.note("the database is offline: %d", h.admin(http.MethodPost, "/notes/_offline", "").status)
		time.Sleep(time.Duration(h.chance.IntN(100)) * time.Millisecond)
		require.Equal(h.t, http.StatusOK, h.admin(http.MethodPost, "/notes/_online", "").status)
	case 2:
		h.loads++
		h.note("another configuration is loaded")
		require.NoError(h.t, h.server.Load(h.t.Context(), strings.Replace(h.server.Caddyfile(), liteCloseDelayLine(0), liteCloseDelayLine(h.loads), 1)))
	}
}

// liteCloseDelayLine is a setting by which one configuration differs from another.
func liteCloseDelayLine(loads int) string { return fmt.Sprintf("stream_close_delay %dms", 100+loads) }

// survivesKills reports whether all devices have sockets that notice when the server is gone. Those of Couchbase Lite for C
// before 3, which no other has, may hang.
func (h *liteHistory) survivesKills() bool {
	return !slices.ContainsFunc(h.people, func(u *liteUser) bool { return u.Library.Before3() })
}

// body is a document in some channels.
func (h *liteHistory) body(by string, channels ...string) map[string]any {
	for range h.random.IntN(3) {
		channels = append(channels, h.one("shared", "x", "y", "alice", "bob", "carol"))
	}

	doc := map[string]any{"channels": channels, "by": by, "n": h.random.IntN(1 << 30)}
	if h.random.IntN(3) == 0 {
		doc["text"] = strings.Repeat("long ", 300) + fmt.Sprint(h.random.IntN(100))
	}

	return doc
}

// save writes on a device: what it has, or something of its user's.
func (h *liteHistory) save(u *liteUser) {
	collection := h.one(h.collections...)
	has := slices.Sorted(maps.Keys(u.All(collection)))
	id := h.one(append(has, u.name+"1", u.name+"2", u.name+"3")...)

	// What somebody else moved out of the user's sight is not theirs to make again.
	if h.retired[id] || !slices.Contains(has, id) && h.stored(collection)[id] != nil {
		return
	}

	var blob *cblite.Blob
	if h.random.IntN(3) == 0 {
		blob = &cblite.Blob{Size: []int{0, 1, 5000, 300_000}[h.random.IntN(4)], Seed: h.random.IntN(5)}
	}

	doc := h.body(u.name, u.name)
	h.note("%s saves %s/%s %v, blob %v", u.name, collection, id, doc["channels"], blob)
	u.Save(collection, id, doc, blob)
}

func (h *liteHistory) remove(u *liteUser) {
	collection := h.one(h.collections...)
	if has := slices.Sorted(maps.Keys(u.All(collection))); len(has) > 0 {
		id := h.one(has...)
		h.retired[id] = true
		h.note("%s deletes %s/%s", u.name, collection, id)
		u.Delete(collection, id)
	}
}

// write writes over REST, or deletes.
func (h *liteHistory) write(deletes bool) {
	collection := h.one(h.collections...)
	id := h.one(append(slices.Sorted(maps.Keys(h.stored(collection))), "rest1", "rest2")...)
	path := "/notes._default." + collection + "/" + id

	if h.retired[id] {
		return
	}

	var now map[string]any

	got := h.admin(http.MethodGet, path, "")
	require.NoError(h.t, json.Unmarshal([]byte(got.body), &now))

	doc := h.body("rest")
	if got.status == http.StatusOK {
		doc["_rev"] = now["_rev"]
	}

	if now["blob"] != nil && h.random.IntN(2) == 0 {
		doc["blob"], doc["_attachments"] = now["blob"], now["_attachments"]
	}

	if deletes && got.status == http.StatusOK {
		doc = map[string]any{"_rev": now["_rev"], "_deleted": true}
		h.retired[id] = true
	}

	h.note("REST writes %s/%s %v, deletion: %v: %d", collection, id, doc["channels"], deletes, h.put(path, doc).status)
}

// regrant gives a user a channel, or takes one away. One's own stays.
func (h *liteHistory) regrant(u *liteUser) {
	name := h.one("shared", "x", "y", "alice", "bob", "carol")
	channels := slices.DeleteFunc(slices.Clone(u.channels), func(has string) bool { return has == name })

	if len(channels) == len(u.channels) {
		channels = append(channels, name)
	} else if name == u.name || u.Library.Before3() {
		return
	}

	h.note("%s has %v", u.name, channels)
	h.give(u, channels...)
}

// follow has a device replicate, once or until the next time.
func (h *liteHistory) follow(u *liteUser) {
	if u.live {
		h.note("%s stops", u.name)
		u.Stop()
		u.live = false

		return
	}

	u.live = h.random.IntN(2) == 0
	r := h.replication(u, u.live)
	if h.chance.IntN(3) == 0 {
		r.URL = h.elsewhere
	}

	if u.live {
		h.note("%s follows at %s", u.name, r.URL)
		u.Start(r)

		return
	}

	h.note("%s replicates at %s", u.name, r.URL)
	require.Nil(h.t, u.Replicate(r).Error, "%s, Couchbase Lite %s", u.name, u.Library)
}

// end has all devices follow until they have what their users may see.
func (h *liteHistory) end() {
	for _, u := range h.people {
		if !u.live {
			u.Start(h.replication(u, true))
		}
	}

	var said []string

	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		said = nil

		for _, u := range h.people {
			now := u.Status()
			if now.State != "idle" {
				said = append(said, fmt.Sprintf("%s is %s: %v", u.name, now.State, now.Error))
			}

			// It takes a handshake that the kill cut off for an answer by which it stops for good.
			if now.State == "stopped" && now.Error != nil && now.Error.Code == http.StatusBadRequest {
				u.Start(h.replication(u, true))
			}

			said = append(said, h.differences(u)...)
		}

		if len(said) == 0 || time.Now().After(deadline) {
			break
		}
	}

	require.Empty(h.t, said)

	for _, u := range h.people {
		u.Stop()
	}
}
