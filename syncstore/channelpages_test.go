package syncstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page counts only between snapshots of which neither shows another row of the channel.
func TestAPageCountsWhileNoRowOfItsChannelMoves(t *testing.T) {
	t.Parallel()
	var tops channelTops
	tops.reset(10)
	key := pageKey{channel: channelKey{1, "big"}, from: 3, limit: 8}
	var pages channelPages
	pages.put(key, &channelPage{seq: 12})
	require.NotNil(t, pages.get(key, 12, &tops))
	require.NotNil(t, pages.get(key, 15, &tops))
	require.Nil(t, pages.get(key, 9, &tops), "the channel may have changed after 9: nothing is known of so long ago")
	tops.note(&changeSet{collection: 1, channels: []string{"other"}, seq: 13})
	require.NotNil(t, pages.get(key, 15, &tops))
	for _, set := range []changeSet{
		{collection: 1, channels: []string{"big"}, seq: 16}, {collection: 1, left: []string{"big"}, seq: 17},
		{collection: 1, gone: []string{"big"}, seq: 18},
	} {
		tops.note(&set)
		require.Nil(t, pages.get(key, set.seq, &tops), "the page is of before")
		pages.put(key, &channelPage{seq: set.seq})
		require.NotNil(t, pages.get(key, set.seq, &tops))
		require.Nil(t, pages.get(key, set.seq-1, &tops), "the reader is of before")
	}
}

func TestOfPagesThoseAreKeptThatAreRead(t *testing.T) {
	t.Parallel()
	var tops channelTops
	tops.reset(0)
	var pages channelPages
	read := pageKey{from: 1}
	pages.put(read, &channelPage{})
	for n := range uint64(3 * maxPages) {
		pages.put(pageKey{from: n + 2}, &channelPage{})
		require.NotNil(t, pages.get(read, 0, &tops))
		require.Len(t, pages.order, len(pages.pages))
		require.LessOrEqual(t, len(pages.pages), maxPages)
	}
}

// What one reader of a channel's rows had is not what the next one gets after a change.
func TestReadersOfAGainSeeWhatIsThereWhenTheyRead(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	revs := map[string]Rev{}
	for n := range 4 {
		id := fmt.Sprint("d", n)
		revs[id] = f.in(id, Rev{}, "big") // 1 to 4
	}
	f.give("alice", "big") // 5
	f.give("bob", "big")   // 6
	rows := func(user string) []string { return f.feedOf(user, At(4), FeedOptions{}) }
	require.Equal(t, []string{"5:1 d0", "5:2 d1", "5:3 d2", "5:4 d3"}, rows("alice"))
	require.Equal(t, []string{"6:1 d0", "6:2 d1", "6:3 d2", "6:4 d3"}, rows("bob"))
	_, err := f.Purge(t.Context(), []Purging{{ID: "d1"}}) // 7
	require.NoError(t, err)
	require.Equal(t, []string{"6:1 d0", "6:3 d2", "6:4 d3"}, rows("bob"))
	f.in("d2", revs["d2"], "big") // 8
	require.Equal(t, []string{"6:1 d0", "6:4 d3", "8 d2"}, rows("bob"))
	f.in("d3", revs["d3"], "small") // 9
	require.Equal(t, []string{"6:1 d0", "8 d2"}, rows("bob"))
	require.Equal(t, []string{"5:1 d0", "8 d2"}, rows("alice"))
}

// Pages are outside every budget of memory: what they share of a document is not what was stored.
func TestWhatPagesShareOfADocumentHoldsNothingThatWasStored(t *testing.T) {
	t.Parallel()
	h := &head{Seq: 7, Body: []byte("{}"), Leaves: []leaf{{Channels: []string{"big"}, Extra: []byte("x"), Attachments: []Attachment{{}}}}}
	bare := h.bare()
	require.Equal(t, &head{Seq: 7, Leaves: []leaf{{Channels: []string{"big"}}}}, bare)
	require.NotNil(t, h.Body)
	require.NotNil(t, h.winner().Extra)
	require.Len(t, h.winner().Attachments, 1)
}
