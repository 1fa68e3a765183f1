package caddysync

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// A nightly `sync bakcup` is no success.
func TestAMistypedCommandFails(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"write `sync backup|check|compact|export|import|restore|session|user …`": {"sync", "bakcup", "x.backup"},
		"write `sync user disable|enable|list|show …`":                           {"sync", "user", "bogus"},
		"write `sync session end|list …`":                                        {"sync", "session", "bogus", "alice"},
		"":                                                                       {"sync"},
	} {
		root, sync := &cobra.Command{Use: "caddy-sync", SilenceErrors: true}, &cobra.Command{Use: "sync"}
		syncCommand().CobraFunc(sync)
		root.AddCommand(sync)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(args)
		err := root.Execute()
		if want == "" {
			require.NoError(t, err, args)
			continue
		}
		require.EqualError(t, err, want)
	}
}

// TestACommandEndsWhileTheServerSaysNothing: a signal ends no process that listens for it, and to collect space takes
// minutes.
func TestACommandEndsWhileTheServerSaysNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	_, err := askAdmin(ctx, strings.TrimPrefix(server.URL, "http://"), http.MethodPost, "/sync/gc")
	require.ErrorIs(t, err, context.Canceled)
	_, err = io.ReadAll(untilEnded{ctx, bytes.NewReader(make([]byte, 1))})
	require.ErrorIs(t, err, context.Canceled, "a large file is not read to its end")
	_, _, err = syncstore.VerifyBackup(untilEnded{ctx, bytes.NewReader(make([]byte, 1))})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, syncstore.ErrBadBackup, "nobody knows")
}
