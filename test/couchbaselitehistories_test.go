package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/cblite"
	"github.com/stretchr/testify/require"
)

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
