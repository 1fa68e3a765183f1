package peer_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/stretchr/testify/require"
)

// fill writes documents of all sorts: conflicts, deleted ones, old ancestry, attachments small
// and large, an ID and a name that have to be escaped.
func fill(s *server) {
	s.t.Helper()
	for i := range 30 {
		s.put(fmt.Sprintf("/doc%02d", i), fmt.Sprintf(`{"n":%d,"long":12345678901234567890.10}`, i))
	}
	rev := s.put("/gone", `{"a":1}`)
	s.ask(http.MethodDelete, "/gone?rev="+rev, "")
	s.bulk(
		`{"_id":"tree","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]},"v":"c"}`,
		`{"_id":"tree","_rev":"3-d","_revisions":{"start":3,"ids":["d","b","a"]},"v":"d"}`,
		`{"_id":"tree","_rev":"4-e","_deleted":true,"_revisions":{"start":4,"ids":["e","x","b","a"]}}`,
		`{"_id":"a/b ü%","_rev":"1-f","v":1}`,
		`{"_id":"_design/d","_rev":"1-f","views":{"v":{"map":"function(doc){}"}}}`,
		`{"_id":"small","_rev":"2-f","_revisions":{"start":2,"ids":["f","e"]},"_attachments":{"a b.txt":{"content_type":"text/plain","revpos":1,"data":"aGVsbG8="}}}`,
	)
	rev = s.put("/large", `{"v":1}`)
	rev = s.put("/large/big ü.bin?rev="+rev, strings.Repeat("0123456789abcdef", 40<<10))
	rev = s.put("/large/more.bin?rev="+rev, strings.Repeat("x", 200<<10))
	s.put("/large/tiny?rev="+rev, "tiny")
}

func TestReplicationTakesEverythingOver(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			from, to := there, here
			if direction == peer.Push {
				from, to = here, there
			}
			fill(from)
			o := here.to(direction, there.admin)
			o.Batch = 7
			result, status := run(t, o)
			require.Equal(t, from.content(), to.content())
			require.Equal(t, peer.Completed, status.State)
			require.Zero(t, status.Failures)
			require.EqualValues(t, 38, status.Written)
			require.False(t, result.NoChanges)
			require.Len(t, result.Sessions, 1)

			before := from.times("POST /_bulk_get") + from.times("POST /_revs_diff") + to.times("POST /_revs_diff")
			result, status = run(t, here.to(direction, there.admin))
			require.True(t, result.NoChanges, "the checkpoint says that nothing is new")
			require.Zero(t, status.Checked)
			require.Equal(t, before, from.times("POST /_bulk_get")+from.times("POST /_revs_diff")+to.times("POST /_revs_diff"))

			from.put("/later", `{}`)
			result, status = run(t, here.to(direction, there.admin))
			require.EqualValues(t, 1, status.Written)
			require.Len(t, result.Sessions, 2)
			require.Equal(t, from.content(), to.content())
		})
	}
}

func TestReplicationKeepsConflictsOfBothSides(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	base := `{"_id":"doc","_rev":"1-a","v":0}`
	here.bulk(base, `{"_id":"doc","_rev":"2-here","_revisions":{"start":2,"ids":["here","a"]}}`)
	there.bulk(base, `{"_id":"doc","_rev":"2-there","_revisions":{"start":2,"ids":["there","a"]}}`)
	run(t, here.to(peer.Pull, there.admin))
	run(t, here.to(peer.Push, there.admin))
	require.Equal(t, here.content(), there.content())
	_, text := here.ask(http.MethodGet, "/doc?conflicts=true", "")
	require.Contains(t, text, `"_rev":"2-there"`)
	require.Contains(t, text, `"_conflicts":["2-here"]`)
}

func TestReplicationSendsNoContentThatIsThere(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			from, to := there, here
			if direction == peer.Push {
				from, to = here, there
			}
			rev := from.put("/doc", `{}`)
			rev = from.put("/doc/big?rev="+rev, strings.Repeat("x", 300<<10))
			run(t, here.to(direction, there.admin))
			fetched := from.times("GET /doc/big")
			rev = from.put("/doc/second?rev="+rev, "2")
			from.put("/doc/third?rev="+rev, "3")
			var large atomic.Int64
			there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.ContentLength >= 10<<10 {
					large.Add(1)
				}
				return false
			})
			_, status := run(t, here.to(direction, there.admin))
			require.Zero(t, status.Failures)
			require.Equal(t, from.content(), to.content())
			require.Equal(t, fetched, from.times("GET /doc/big"))
			require.Zero(t, large.Load())
		})
	}
}

func TestContinuousReplicationFollows(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	pull, _ := start(t, here.to(peer.Pull, there.admin))
	push, _ := start(t, here.to(peer.Push, there.admin))
	here.put("/a", `{"from":"here"}`)
	there.put("/b", `{"from":"there"}`)
	eventually(t, func() bool { return pull.Status().Written == 1 && push.Status().Written == 1 })
	require.Equal(t, here.content(), there.content())
	eventually(t, func() bool { return pull.Status().State == peer.Idle && push.Status().State == peer.Idle })
}

func TestReplicationIsLimited(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		direction peer.Direction
		limit     func(*peer.Options)
		want      string
	}{
		"documents that are pulled": {peer.Pull, func(o *peer.Options) { o.DocIDs = []string{"a", "c"} }, "a c"},
		"documents that are pushed": {peer.Push, func(o *peer.Options) { o.DocIDs = []string{"a", "c"} }, "a c"},
		"a selector":                {peer.Pull, func(o *peer.Options) { o.Selector = []byte(`{"n":{"$gt":1}}`) }, "b c"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			from, to := there, here
			if c.direction == peer.Push {
				from, to = here, there
			}
			from.bulk(`{"_id":"a","_rev":"1-a","n":1}`, `{"_id":"b","_rev":"1-a","n":2}`, `{"_id":"c","_rev":"1-a","n":3}`)
			o := here.to(c.direction, there.admin)
			c.limit(&o)
			run(t, o)
			var ids []string
			for line := range strings.SplitSeq(to.content(), "\n") {
				ids = append(ids, strings.Fields(line)[0])
			}
			require.Equal(t, c.want, strings.Join(ids, " "))
		})
	}
}
