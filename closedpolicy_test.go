package caddysync

import (
	"errors"
	"net/http"
	"strings"
	"testing"

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
