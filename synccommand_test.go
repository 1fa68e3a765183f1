package caddysync

import (
	"io"
	"testing"

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
