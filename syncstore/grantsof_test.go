package syncstore

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawGrants are what one principal may have been granted, of few channels and at few sequences.
func drawGrants(rt *rapid.T, public bool) *grantsOf {
	var spans []channelSpan
	for range rapid.IntRange(0, 4).Draw(rt, "grants") {
		from := rapid.Uint64Range(1, 6).Draw(rt, "from")
		to := rapid.SampledFrom([]uint64{forever, from + 1, from + 3}).Draw(rt, "to")
		spans = append(spans, channelSpan{
			in:     rapid.SampledFrom([]uint32{0, 7, inEverything}).Draw(rt, "in"),
			name:   rapid.SampledFrom([]string{PublicChannel, AllChannel, "a", "b", "c", "d", "e", "f", "g", "h"}).Draw(rt, "name"),
			during: interval{from, to},
		})
	}
	return &grantsOf{channels: timesOf(spans), public: public}
}

func sortedNames(names []string) []string { return slices.Sorted(slices.Values(names)) }

// What roles give is kept once for all their members, in layers: to each of them that must be what
// it is with everything put together.
func TestLayersOfChannelsAreWhatTheyAreTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a := &access{holdings: []*grantsOf{drawGrants(rt, true)}}
		for range rapid.IntRange(0, maxLayers).Draw(rt, "roles") {
			a.holdings = append(a.holdings, drawGrants(rt, false))
		}
		got, want := a.in(0), mergedIn(0, a.holdings)
		require.Equal(rt, want.everything(), got.everything())
		held := map[string]uint64{}
		got.each(func(name string, since uint64) { held[name] = since })
		require.Equal(rt, want.held, held)
		for _, name := range []string{PublicChannel, AllChannel, "a", "b", "c", "d", "e", "f", "g", "h", "none"} {
			require.Equal(rt, want.times(name), got.times(name), name)
			wantSince, wantOK := want.since(name)
			since, ok := got.since(name)
			require.Equal(rt, wantOK, ok, name)
			require.Equal(rt, wantSince, since, name)
		}
		for seq := range uint64(10) {
			require.Equal(rt, sortedNames(want.gainedAt(seq)), sortedNames(got.gainedAt(seq)), "gained at %d", seq)
			require.Equal(rt, sortedNames(want.lostAt(seq)), sortedNames(got.lostAt(seq)), "lost at %d", seq)
			require.Equal(rt, want.nextGain(seq), got.nextGain(seq), "gain after %d", seq)
			require.Equal(rt, want.nextLoss(seq), got.nextLoss(seq), "loss after %d", seq)
		}
		before := drawGrants(rt, true).in(0)
		var more []string
		got.beside(before, func(name string) { more = append(more, name) })
		var wantMore []string
		want.each(func(name string, _ uint64) {
			if _, too := before.heldSince(name); !too {
				wantMore = append(wantMore, name)
			}
		})
		require.Equal(rt, sortedNames(wantMore), sortedNames(more))
	})
}

// What a role gave to one who was its member for a while is what it had then.
func TestARoleGivesWhatItHasWhileSomebodyHasTheRole(t *testing.T) {
	t.Parallel()
	role := &roleAccess{since: 3, gives: &grantsOf{channels: timesOf([]channelSpan{
		{name: "a", during: interval{3, forever}}, {name: "b", during: interval{5, 9}},
	})}}
	require.Same(t, role.gives, role.during(timeline{{2, forever}}), "kept once")
	require.Same(t, role.gives, role.during(timeline{{3, forever}}))
	require.Nil(t, role.during(nil))
	require.Equal(t, []channelTimes{
		{name: "a", times: timeline{{4, forever}}}, {name: "b", times: timeline{{5, 9}}},
	}, role.during(timeline{{4, forever}}).channels)
	require.Equal(t, []channelTimes{
		{name: "a", times: timeline{{3, 7}}}, {name: "b", times: timeline{{5, 7}}},
	}, role.during(timeline{{2, 7}}).channels)
}
