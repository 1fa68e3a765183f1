package rest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChannelFilterNamesChannels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		query, body string
		want        []string
	}{
		{query: "channels=a", want: []string{"a"}},
		{query: "channels=a,b,,a", want: []string{"a", "b"}},
		{query: `channels=["a","b c"]`, want: []string{"a", "b c"}},
		{query: "channels=*", want: []string{"*"}},
		{query: "channels=[a", want: []string{"[a"}},
		{body: `{"channels":"a,b"}`, want: []string{"a", "b"}},
		{body: `{"channels":["a","b","a"]}`, want: []string{"a", "b"}},
		{query: "channels=a", body: `{"channels":["b"]}`, want: []string{"a"}},
	} {
		o, err := optionsOf(t, "filter=sync_gateway/bychannel&"+test.query, test.body)
		require.NoError(t, err, test)
		require.Equal(t, test.want, o.access.Channels, test)
		require.False(t, o.filter.active())
	}
	o, err := optionsOf(t, "channels=a", "")
	require.NoError(t, err)
	require.Nil(t, o.access.Channels, "without the filter the option means nothing")
}

func TestChannelFilterWithoutChannelsIsRefused(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":              "Missing 'channels' filter parameter",
		"channels=":     "Missing 'channels' filter parameter",
		"channels=,,":   "Empty channel list",
		"channels=[]":   "Empty channel list",
		`channels=[""]`: "Empty channel list",
	} {
		_, err := optionsOf(t, "filter=sync_gateway/bychannel&"+query, "")
		require.Error(t, err, query)
		require.Equal(t, badRequest(want), asAnswer(err), query)
	}
}

func TestAccessOptionsComeByGetAndPost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ query, body string }{
		{query: "revocations=true&active_only=true"}, {body: `{"revocations":true,"active_only":true}`},
	} {
		o, err := optionsOf(t, test.query, test.body)
		require.NoError(t, err)
		require.True(t, o.access.Revocations)
		require.True(t, o.access.ActiveOnly)
	}
	_, err := optionsOf(t, "revocations=1", "")
	require.Error(t, err)
}
