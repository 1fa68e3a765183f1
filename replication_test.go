package caddysync

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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

// What a sync function refuses is behind the replication's position. When a reload has mended the function, it comes.
func TestAReplicationTakesWhatAReloadHasMended(t *testing.T) {
	store, functions := t.TempDir(), t.TempDir()
	s := newTestSite(t)
	with := func(name, function string) []byte {
		file := filepath.Join(functions, name)
		require.NoError(t, os.WriteFile(file, []byte(function), 0o600))
		return s.replicating(store, "sync_function "+file+"\nreplicate in {\nfrom http://"+s.addr+"/notes\ncontinuous\n}")
	}
	left := func(n int) func() bool {
		return func() bool {
			_, text := s.request(http.MethodGet, "/copy/_replicationStatus/in", "")
			return strings.Contains(text, `"status":"running"`) && strings.Contains(text, fmt.Sprintf(`"revisions_left_behind":%d,`, n))
		}
	}
	require.NoError(t, s.load(with("strict.js", `function (doc) { if (!doc.type) { throw({forbidden: "it has no type"}); } }`)))
	status, text := s.request(http.MethodPut, "/notes/a", "{}")
	require.Equal(t, http.StatusCreated, status, text)
	require.Eventually(t, left(1), time.Minute, 10*time.Millisecond)
	status, _ = s.request(http.MethodGet, "/copy/a", "")
	require.Equal(t, http.StatusNotFound, status)

	require.NoError(t, s.load(with("mended.js", `function (doc) { }`)))
	require.Eventually(t, func() bool { // before it has looked what is left it knows of nothing
		status, _ := s.request(http.MethodGet, "/copy/a", "")
		return status == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	require.Eventually(t, left(0), time.Minute, 10*time.Millisecond)
}
