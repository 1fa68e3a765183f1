package rest

import (
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

func TestATicketIsGoodOnceAndForAMinute(t *testing.T) {
	t.Parallel()
	var all tickets
	now := time.Now()
	first, second := &auth.Principal{Subject: "first"}, &auth.Principal{Subject: "second"}
	a, err := all.issue(first, now)
	require.NoError(t, err)
	b, err := all.issue(second, now)
	require.NoError(t, err)
	require.Nil(t, all.use("", now))
	require.Nil(t, all.use(a+"x", now))
	require.Same(t, first, all.use(a, now))
	require.Nil(t, all.use(a, now), "it was used")
	require.Nil(t, all.use(b, now.Add(ticketLifetime)), "it is too old")
	require.Nil(t, all.use(b, now), "who was late has used it")
}

func TestTicketsAreFew(t *testing.T) {
	t.Parallel()
	var all tickets
	ids := make([]string, 3*maxTickets)
	for i := range ids {
		var err error
		ids[i], err = all.issue(&auth.Principal{}, time.Now())
		require.NoError(t, err)
	}
	require.Len(t, all.waiting, maxTickets)
	require.Nil(t, all.use(ids[0], time.Now()))
	require.NotNil(t, all.use(ids[len(ids)-1], time.Now()))
}
