package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// People beyond the caches' memory still sign in, and the caches stay in their bounds.
func TestCachesFollowTheirLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookies := make([]string, 40)
	for n := range cookies {
		cookies[n] = w.signIn(w.issuer.token(fmt.Sprint("user", n)))
		w.in(cookies[n])
	}
	w.state.sessions.resize(16)
	require.LessOrEqual(t, w.state.sessions.len(), 16)
	w.state.LimitCaches(1)
	again := w.start()
	for range 2 {
		for _, cookie := range cookies {
			w.in(cookie)
		}
	}
	require.EqualValues(t, minPeople, w.state.people.Load())
	require.Equal(t, minPeople/lruShards, w.state.sessions.shards[0].max)
	require.Equal(t, minPeople/2/lruShards, w.state.users.shards[0].max)
	require.Equal(t, minPeople/lruShards, again.digests.shards[0].max)
	w.state.LimitCaches(0)
	require.EqualValues(t, minPeople, w.state.people.Load(), "0 changes nothing")
}

// Sessions whose last use waits to be written are no more than so many; the others come
// again with their next use.
func TestSessionsThatWaitToBeWrittenAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := w.in(w.signIn(w.issuer.token("alice"))).session
	for n := range maxTouched {
		w.state.touched.sessions[sessionKey{byte(n), byte(n >> 8), byte(n >> 16)}] = use{}
	}
	written, now := x.written.Load(), time.Now().Add(2*maxTouchInterval)
	w.state.touch(x, now)
	require.Len(t, w.state.touched.sessions, maxTouched)
	require.Equal(t, written, x.written.Load(), "is to be written still")
	clear(w.state.touched.sessions)
	w.state.touch(x, now.Add(2*time.Second))
	require.Contains(t, w.state.touched.sessions, x.key)
	w.state.touched.close()
	stored, err := w.state.Sessions(t.Context(), notes.ID, "idp.example.com_alice")
	require.NoError(t, err)
	require.Len(t, stored, 1)
}

// A refused token takes a few bytes, and is refused until it expires.
func TestRefusedTokensAreForgottenWhenTheyExpire(t *testing.T) {
	t.Parallel()
	r := &refusedTokens{}
	now := time.Now()
	for n := range 1000 {
		r.add(tokenKey{1, byte(n), byte(n >> 8)}, now.Add(-time.Second))
	}
	r.swept = time.Time{}
	r.add(tokenKey{2}, now.Add(time.Hour))
	require.Len(t, r.until, 1)
	require.True(t, r.has(tokenKey{2}))
	r.add(tokenKey{2}, now.Add(time.Minute))
	require.EqualValues(t, now.Add(time.Hour).Unix(), r.until[shortKey(tokenKey{2})], "the later end counts")
	require.False(t, r.has(tokenKey{1}))
}

// Tokens of seconds that no not_before can mean any more are forgotten.
func TestSeenTokensAreOfTheLastMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	for n := range 200 {
		issued := now.Add(time.Duration(n) * time.Second)
		v := &verified{key: identityKey{1}, token: tokenKey{byte(n)}, issued: issued, expires: issued.Add(time.Hour), applicant: &applicant{}}
		w.state.noteSeen(v, issued)
		require.Len(t, w.state.seen.of(identityKey{1}, issued), 1)
		require.Len(t, w.state.seen.loggedOut(identityKey{1}, issued), 1)
		require.Empty(t, w.state.seen.of(identityKey{2}, issued))
	}
	require.LessOrEqual(t, w.state.seen.count(), 62)
	w.state.noteSeen(&verified{issued: now, applicant: &applicant{}}, now.Add(seenAge+time.Second))
	require.LessOrEqual(t, w.state.seen.count(), 62)
}
