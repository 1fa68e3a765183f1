package caddysync

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// A collection leaves the configuration, by mistake perhaps, while devices push to it by sockets of the old one. They
// are to keep what they could not push, and to push it when the collection is back: by 403 they would give it up.
func TestDecision17_APushToACollectionThatLeavesIsTriedAgain(t *testing.T) {
	s := newTestSite(t)
	without := s.caddyfile("store memory leaves", "stream_close_delay 1h", "")
	with := adapt(t, strings.Replace(without, "access shared", "access shared\n collection items", 1))
	require.NoError(t, s.load(with))
	l, err := harness.DialLite(t.Context(), "http://"+s.addr+"/notes", harness.LiteOptions{Version: 3})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Call(t.Context(), "getCollections", `{"checkpoint_ids":["cp"],"collections":["items"]}`)
	require.NoError(t, err)
	push := func(id string) error {
		_, err := l.Call(t.Context(), "rev", `{}`, "collection", "0", "id", id, "rev", l.NewRev(1), "sequence", "1", "noconflicts", "1")
		return err
	}
	require.NoError(t, push("before"))

	require.NoError(t, s.load(adapt(t, without)))
	err = push("meanwhile")
	refused, ok := errors.AsType[*blip.PeerError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, http.StatusServiceUnavailable, refused.Code, "%v", err)
	status, _ := s.request(http.MethodGet, "/notes.items/before", "")
	require.Equal(t, http.StatusNotFound, status, "and whoever comes again is told")

	require.NoError(t, s.load(with))
	status, _ = s.request(http.MethodGet, "/notes.items/before", "")
	require.Equal(t, http.StatusOK, status)
}

// Nor do devices pass over what they were being sent: that it is missing, they would take for good.
func TestDecision17_APullOfACollectionThatLeavesGoesOnWhenItIsBack(t *testing.T) {
	s := newTestSite(t)
	without := s.caddyfile("store memory pullleaves", "stream_close_delay 1h", "")
	with := adapt(t, strings.Replace(without, "access shared", "access shared\n collection items", 1))
	require.NoError(t, s.load(with))
	const docs = 2000
	var all []string
	for n := range docs {
		all = append(all, fmt.Sprintf(`{"_id":"d%d","text":%q}`, n, strings.Repeat("x", 500)))
	}
	status, text := s.request(http.MethodPost, "/notes.items/_bulk_docs", `{"docs":[`+strings.Join(all, ",")+`]}`)
	require.Equal(t, http.StatusCreated, status, text)
	has := map[string]bool{}
	pull := func(since string, enough func(*harness.LiteState) bool) *harness.Lite {
		l, err := harness.DialLite(t.Context(), "http://"+s.addr+"/notes", harness.LiteOptions{Version: 3})
		require.NoError(t, err)
		t.Cleanup(l.Drop)
		_, err = l.Call(t.Context(), "getCollections", `{"checkpoint_ids":["cp"],"collections":["items"]}`)
		require.NoError(t, err)
		props := []string{"collection", "0", "continuous", "true", "batch", "200"}
		if since != "" {
			props = append(props, "since", since)
		}
		_, err = l.Call(t.Context(), "subChanges", "", props...)
		require.NoError(t, err)
		require.NoError(t, l.Await(t.Context(), enough))
		return l
	}
	first := pull("", func(state *harness.LiteState) bool { return len(state.Docs) > 0 })
	require.NoError(t, s.load(adapt(t, without)))
	select {
	case <-first.Ended():
	case <-time.After(30 * time.Second):
		require.FailNow(t, "the pull goes on", "%d documents", len(first.Docs()))
	}
	for id := range first.Docs() {
		has[id] = true
	}
	require.NoError(t, s.load(with))
	second := pull(first.Since(), func(state *harness.LiteState) bool { return state.Idle() })
	for id := range second.Docs() {
		has[id] = true
	}
	require.Len(t, has, docs)
}
