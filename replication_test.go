package caddysync

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// replicating is a configuration with the databases notes and copy on one administrators' site,
// and what copy is said of.
func (s *testSite) replicating(store, option string) []byte {
	s.t.Helper()
	return adapt(s.t, fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	sync {
		store badger %s
		database notes
		stream_close_delay 0s
		database copy {
			%s
		}
	}
}
http://%s {
	bind 127.0.0.1
	sync * {
		admin {
			allow loopback
		}
	}
}
`, store, option, s.addr))
}

// A replication of the configuration begins when that has started, goes on over reloads, and
// ends with it.
func TestReplicationsFollowTheConfiguration(t *testing.T) {
	store := t.TempDir() // before the site, whose end closes the store
	s := newTestSite(t)
	in := "replicate in {\nfrom http://" + s.addr + "/notes\ncontinuous\n}"
	arrives := func(id string) {
		t.Helper()
		status, text := s.request(http.MethodPut, "/notes/"+id, "{}")
		require.Equal(t, http.StatusCreated, status, text)
		require.Eventually(t, func() bool {
			status, _ := s.request(http.MethodGet, "/copy/"+id, "")
			return status == http.StatusOK
		}, 20*time.Second, 10*time.Millisecond, id)
	}
	running := func() int {
		t.Helper()
		_, text := s.request(http.MethodGet, "/_active_tasks", "")
		return strings.Count(text, `"type":"replication"`)
	}
	require.NoError(t, s.load(s.replicating(store, in)))
	arrives("a")
	for i := range 3 {
		require.NoError(t, s.load(s.replicating(store, in)))
		arrives(fmt.Sprint("reload", i))
		require.Equal(t, 1, running(), "the former has ended")
	}
	status, text := s.request(http.MethodGet, "/copy/_replicationStatus/in", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, `"replication_id":"in","status":"running","direction":"pull"`)
	require.Contains(t, text, `"docs_written":1,`, "after a reload it goes on from its checkpoint")
	_, text = s.request(http.MethodGet, "/_stats", "")
	require.Contains(t, text, `{"labels":{"direction":"pull"},"value":4}`, "the counters go on over reloads")
	status, text = s.request(http.MethodPost, "/_replicate", `{"cancel":true,"source":"http://`+s.addr+`/notes","target":"copy"}`)
	require.Equal(t, http.StatusForbidden, status, text)

	bad := s.replicating(store, in+"\nreplicate out {\nto http://127.0.0.1:1/x\nbearer {env.CADDY_SYNC_NO_SUCH_VARIABLE}\n}")
	require.ErrorContains(t, s.load(bad), "database copy: replicate out: bearer:")
	arrives("after a reload that failed")

	require.NoError(t, s.load(s.replicating(store, "")))
	require.Zero(t, running())
	s.request(http.MethodPut, "/notes/late", "{}")
	status, _ = s.request(http.MethodGet, "/copy/late", "")
	require.Equal(t, http.StatusNotFound, status)
}
