package auth

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func onceKeyOf(n int) (k onceKey) {
	binary.BigEndian.PutUint64(k[:], uint64(n))
	return k
}

func TestOnceMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o onceMemory
		require.True(t, o.first(onceKeyOf(1), time.Now().Add(time.Minute)))
		require.False(t, o.first(onceKeyOf(1), time.Now().Add(time.Minute)))
		require.True(t, o.knows(onceKeyOf(1)))
		require.False(t, o.knows(onceKeyOf(2)))
		time.Sleep(time.Minute)
		require.False(t, o.knows(onceKeyOf(1)))
		require.True(t, o.first(onceKeyOf(1), time.Now().Add(time.Minute)), "its time is over")
		for n := range 3 * onceSize {
			o.first(onceKeyOf(n+10), time.Now().Add(time.Hour))
		}
		require.LessOrEqual(t, len(o.until), onceSize)
		require.LessOrEqual(t, len(o.order), onceSize)
		require.False(t, o.first(onceKeyOf(3*onceSize+9), time.Now()), "the newest are known")
		time.Sleep(time.Hour)
		o.first(onceKeyOf(1), time.Now().Add(time.Hour))
		require.Len(t, o.until, 1, "what is over is forgotten")
	})
}
