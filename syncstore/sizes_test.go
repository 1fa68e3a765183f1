package syncstore

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesOfADatabaseAreThoseOfWhatItHas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	empty, known := f.db.Sizes(t.Context())
	require.True(t, known)
	require.Less(t, empty.Active, int64(1000))
	require.Zero(t, empty.External)

	const body, documents = 1000, 50
	for i := range documents {
		f.put(strings.Repeat("x", i+1), `{"text":"`+strings.Repeat("t", body)+`"}`, Rev{})
	}
	sizes, known := f.db.Sizes(t.Context())
	require.True(t, known)
	require.InDelta(t, documents*(body+100), sizes.External, documents*50)
	require.Greater(t, sizes.Active, sizes.External)
	require.Less(t, sizes.Active, 3*sizes.External)

	untouched, known := other.Sizes(t.Context())
	require.True(t, known)
	require.Zero(t, untouched.External)
}

func TestSizesAreNotWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for known := false; !known; { // it goes on in the background
		_, known = f.db.Sizes(ended)
	}
	require.NoError(t, f.store.Close())
	_, _ = f.db.Sizes(t.Context())
}
