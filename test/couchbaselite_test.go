package test

import (
	"encoding/json"
	"fmt"
	"maps"
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
