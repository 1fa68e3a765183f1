package auth

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// shortIdle is an idle limit within which a last use may not be written a second time.
func shortIdle(c *Config) { c.Databases[0].Session.Idle = 30 * time.Second }

// crowd signs in people whose sessions push that of anybody else out of memory, and returns what has them do so.
func (w *world) crowd() (pushOut func()) {
	w.state.sessions.resize(lruShards)
	cookies := make([]string, 100)
	for n := range cookies {
		cookies[n] = w.signIn(w.issuer.token(fmt.Sprint("user", n)))
	}
	return func() {
		for _, cookie := range cookies {
			w.in(cookie)
		}
	}
}

func TestDecision3_AnOrderlyRestartKeepsTheLastUseOfSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, shortIdle)
		cookie := w.signIn(w.issuer.token("alice"))
		for range 10 {
			time.Sleep(5 * time.Second)
			w.in(cookie)
		}
		used := time.Now()
		w.service.Stop()
		w.state.Close()
		w.state = openTestState(t, w.records)
		w.service = w.start(shortIdle)
		time.Sleep(29 * time.Second)
		list, err := w.state.Sessions(t.Context(), notes.ID, alice)
		require.NoError(t, err)
		require.Equal(t, used.UnixMilli(), list[0].LastUsed.UnixMilli())
		w.in(cookie)
		time.Sleep(30 * time.Second)
		require.Equal(t, "session idle for too long", w.out(cookie).Detail)
	})
}

// Of more people than the cache is for each request may find the session gone from it.
func TestDecision3_ASessionInUseThatGoesOutOfMemoryIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, shortIdle)
		cookie := w.signIn(w.issuer.token("alice"))
		pushOut := w.crowd()
		for range 20 {
			time.Sleep(5 * time.Second)
			w.in(cookie)
			pushOut()
		}
		time.Sleep(30 * time.Second)
		require.Equal(t, "session idle for too long", w.out(cookie).Detail)
	})
}

func TestDecision3_AFeedKeepsASessionInUseThatWentOutOfMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, shortIdle)
		cookie := w.signIn(w.issuer.token("alice"))
		pushOut := w.crowd()
		l := w.lease(w.in(cookie))
		pushOut()
		time.Sleep(10 * time.Minute)
		w.in(cookie)
		require.False(t, ended(l))
	})
}

// While the store takes no writes, last uses wait; there is one attempt a minute, however many there are.
func TestLastUsesThatCannotBeWrittenAreNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, shortIdle)
		cookie := w.signIn(w.issuer.token("alice"))
		pushOut := w.crowd()
		refusal := syncstore.ErrInsufficientStorage
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.records.refuse.Store(&refusal)
		before := w.records.updates.Load()
		for range 60 {
			time.Sleep(5 * time.Second)
			w.in(cookie)
			pushOut()
		}
		require.InDelta(t, 5, w.records.updates.Load()-before, 1)
		w.records.refuse.Store(nil)
		time.Sleep(25 * time.Second)
		w.in(cookie)
		w.service.Stop()
		w.state.Close()
		w.state = openTestState(t, w.records)
		w.service = w.start(shortIdle)
		w.in(cookie)
	})
}

// With a usual idle limit, what goes out of memory is not worth a write.
func TestDecision3_WhatGoesOutOfMemoryIsWrittenOnlyWhereItMatters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session.Idle = 24 * time.Hour })
		cookie := w.signIn(w.issuer.token("alice"))
		pushOut := w.crowd()
		synctest.Wait()
		before := w.records.updates.Load()
		for range 10 {
			time.Sleep(5 * time.Second)
			w.in(cookie)
			pushOut()
		}
		synctest.Wait()
		require.Equal(t, before, w.records.updates.Load())
	})
}
