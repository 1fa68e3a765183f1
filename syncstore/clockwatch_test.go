package syncstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAClockThatIsSetForwardForAWhileDropsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.clock.follow()
		f.write(Edit{ID: "a", Expires: f.clock.Now().Add(24 * time.Hour)})
		time.Sleep(time.Minute)
		f.clock.advance(365 * 24 * time.Hour)
		time.Sleep(30 * time.Minute)
		f.clock.advance(-365 * 24 * time.Hour)
		time.Sleep(5 * time.Minute)
		f.get("a", GetOptions{})

		// A clock that stays there is believed after an hour.
		f.clock.advance(365 * 24 * time.Hour)
		time.Sleep(2 * time.Hour)
		_, err := f.Get(t.Context(), "a", GetOptions{})
		require.ErrorIs(t, err, ErrDeleted)
	})
}

func TestAClockThatIsSetForwardForAWhilePurgesNoTombstone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.clock.follow()
		f.db.SetRetention(Retention{Tombstones: 30 * day})
		f.remove("a", f.put("a", `{}`, Rev{}))
		time.Sleep(2*retainInterval + time.Minute)
		f.clock.advance(365 * day)
		time.Sleep(4 * retainInterval)
		f.clock.advance(-365 * day)
		time.Sleep(2 * retainInterval)
		_, err := f.Inspect(t.Context(), "a")
		require.NoError(t, err)

		time.Sleep(31 * day)
		_, err = f.Inspect(t.Context(), "a")
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestAClockThatGoesAsTimePassesIsTrusted(t *testing.T) {
	t.Parallel()
	var c clockWatch
	now := time.Now()
	require.True(t, c.trusted(now, now))
	now = now.Add(24 * time.Hour)
	require.True(t, c.trusted(now.Add(9*time.Minute), now))
	require.False(t, c.trusted(now.Add(30*time.Minute), now))
	require.False(t, c.trusted(now.Add(90*time.Minute), now.Add(time.Hour)))
	require.True(t, c.trusted(now.Add(100*time.Minute), now.Add(61*time.Minute)))
	require.True(t, c.trusted(now.Add(-100*time.Hour), now.Add(62*time.Minute)))
}
