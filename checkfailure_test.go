package caddysync

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

func TestACheckThatIsEndedFindsNoDamage(t *testing.T) {
	t.Parallel()
	for script, c := range map[string]struct {
		stderr  string
		refused bool
		want    string
	}{
		"kill -KILL $$": {"", true, "it is not known whether the store is damaged: the process that reads it was ended (signal: killed)"},
		"kill -TERM $$": {"", true, "signal: terminated"},
		"exit 2 #1":     {"fatal error: out of memory\n\ngoroutine 1", true, "it is not known whether the store is damaged: fatal error: out of memory"},
		"exit 2 #2":     {"panic: index out of range\n\ngoroutine 1", false, "reading it ended with exit status 2: panic: index out of range"},
		"kill -ABRT $$": {"panic: index out of range\n\ngoroutine 1", false, "panic: index out of range"}, // with GOTRACEBACK=crash
	} {
		failure, refused := checkCrash(exec.CommandContext(t.Context(), "sh", "-c", "ulimit -c 0; "+script).Run(), c.stderr)
		require.Equal(t, c.refused, refused, script)
		require.Contains(t, failure, c.want, script)
	}
}

func TestACheckForWhichTheMachineHasTooLittleFindsNoDamage(t *testing.T) {
	t.Parallel()
	unknown := "it is not known whether the store is damaged: "
	for _, c := range []struct {
		err     error
		refused bool
		want    string
	}{
		{fmt.Errorf("opening: %w", syscall.ENOSPC), true, unknown + "opening: no space left on device"},
		{errors.New("while opening file: 00001.mem err: cannot allocate memory"), true, unknown},
		{fmt.Errorf("opening: %w", syscall.EMFILE), true, unknown},
		{context.Canceled, true, unknown},
		{badger.ErrKey, true, "--key-file"},
		{syncstore.ErrNewerFormat, true, syncstore.ErrNewerFormat.Error()},
		{syscall.EIO, false, syscall.EIO.Error()},
		{errors.New("checksum mismatch"), false, "checksum mismatch"},
	} {
		text, refused := checkRefusal(c.err)
		require.Equal(t, c.refused, refused, text)
		require.Contains(t, text, c.want)
	}
}
