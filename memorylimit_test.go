package caddysync

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision37_MemoryLimit(t *testing.T) {
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	before := limit()

	t.Setenv("GOMEMLIMIT", "")
	restore := setMemoryLimit(256 << 20)
	require.EqualValues(t, (256+64)<<20, limit())
	restore()
	require.Equal(t, before, limit())

	t.Setenv("GOMEMLIMIT", "1GiB")
	setMemoryLimit(256 << 20)()
	require.Equal(t, before, limit(), "the operator's word stands")
}
