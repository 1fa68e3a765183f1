package auth

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	aliceRef = userRef{7, "alice"}
	attacker = netip.MustParseAddr("203.0.113.9")
	home     = netip.MustParseAddr("192.0.2.1")
)

// noon is a clock's start.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestDecision11_OneClientAtOneAccount(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	for range pairBurst {
		require.False(t, th.refuses(noon, aliceRef, attacker))
		a, delay, refuse := th.check(noon, aliceRef, attacker)
		require.False(t, refuse)
		require.Zero(t, delay)
		th.failed(a)
	}
	require.True(t, th.refuses(noon, aliceRef, attacker))
	require.False(t, th.refuses(noon, aliceRef, home))
	_, delay, refuse := th.check(noon, aliceRef, attacker)
	require.True(t, refuse)
	require.Equal(t, pairEvery, delay, "Retry-After is when it would be let through")
	_, _, refuse = th.check(noon.Add(delay-time.Millisecond), aliceRef, attacker)
	require.True(t, refuse, "refused attempts do not count")
	_, _, refuse = th.check(noon.Add(delay), aliceRef, attacker)
	require.False(t, refuse)
	_, _, refuse = th.check(noon.Add(delay), aliceRef, attacker)
	require.True(t, refuse)

	// Nobody else is concerned: neither the user elsewhere, nor others there.
	for _, c := range []struct {
		user userRef
		addr netip.Addr
	}{
		{aliceRef, home}, {userRef{8, "alice"}, attacker}, {userRef{7, "Alice"}, attacker}, {userRef{7, "bob"}, attacker},
	} {
		_, delay, refuse = th.check(noon, c.user, c.addr)
		require.False(t, refuse)
		require.Zero(t, delay)
	}

	// After a rest all are back, and not more.
	later := noon.Add(24 * time.Hour)
	for i := range pairBurst + 1 {
		_, _, refuse = th.check(later, aliceRef, attacker)
		require.Equal(t, i == pairBurst, refuse)
	}
}

func TestDecision11_OneClientAtManyAccounts(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	try := func(now time.Time, i int) (attempt, time.Duration, bool) {
		return th.check(now, userRef{7, fmt.Sprint("user", i)}, attacker)
	}
	for i := range addressBurst {
		_, _, refuse := try(noon, i)
		require.False(t, refuse)
	}
	_, delay, refuse := try(noon, addressBurst)
	require.True(t, refuse)
	require.True(t, th.refuses(noon, aliceRef, attacker))
	require.Equal(t, addressEvery, delay)
	_, _, refuse = th.check(noon, aliceRef, home)
	require.False(t, refuse)
	_, _, refuse = try(noon.Add(addressEvery), addressBurst)
	require.False(t, refuse)

	passed := 0
	for s := range 24 * 3600 {
		if _, _, refuse := try(noon.Add(time.Duration(s)*time.Second), 1000+s); !refuse {
			passed++
		}
	}
	require.InDelta(t, 24*3600/10, passed, addressBurst)
}

// The addresses that one subscriber has are one.
func TestDecision11_WhatIsOneAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		a, b := networkOf(netip.MustParseAddr(c.a)), networkOf(netip.MustParseAddr(c.b))
		require.Equal(t, c.same, a == b, "%s %s", c.a, c.b)
	}
	// A Unix socket has no address: that is one too.
	th := newThrottle()
	for i := range pairBurst + 1 {
		_, _, refuse := th.check(noon, aliceRef, netip.Addr{})
		require.Equal(t, i == pairBurst, refuse)
	}
	_, _, refuse := th.check(noon, aliceRef, netip.IPv4Unspecified())
	require.False(t, refuse)
	_, _, refuse = th.check(noon, aliceRef, netip.IPv6Unspecified())
	require.False(t, refuse)
}

// Many addresses at one account never lock its owner out; they only slow strangers.
func TestDecision11_ManyClientsAtOneAccountOnlyDelay(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	a, _, refuse := th.check(noon, aliceRef, home)
	require.False(t, refuse)
	th.succeeded(a)

	var longest time.Duration
	for i := range 5000 {
		addr := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		_, delay, refuse := th.check(noon, aliceRef, addr)
		require.False(t, refuse)
		require.Equal(t, i >= userBurst, delay > 0, i)
		require.GreaterOrEqual(t, delay, longest, "longer with each")
		longest = delay
	}
	require.Equal(t, maxLoginDelay, longest)
	_, delay, refuse := th.check(noon, aliceRef, home)
	require.False(t, refuse)
	require.Zero(t, delay, "where the user logged in before")
	_, delay, refuse = th.check(noon, aliceRef, netip.MustParseAddr("192.0.2.77"))
	require.False(t, refuse)
	require.Equal(t, maxLoginDelay, delay, "a new place of the user")
	_, delay, _ = th.check(noon, userRef{7, "bob"}, home)
	require.Zero(t, delay, "another user there")
	_, delay, _ = th.check(noon.Add(time.Hour), aliceRef, netip.MustParseAddr("192.0.2.78"))
	require.Zero(t, delay, "an attack is not remembered for long")
}

// A login that succeeds costs nothing, also if it is the one after failures.
func TestDecision11_SuccessGivesTheAttemptBack(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	for i := range 10 * addressBurst {
		a, delay, refuse := th.check(noon, aliceRef, home)
		require.False(t, refuse, i)
		require.Zero(t, delay)
		th.succeeded(a)
	}
	for range pairBurst - 1 {
		a, _, refuse := th.check(noon, aliceRef, home)
		require.False(t, refuse)
		th.failed(a)
	}
	for range 100 {
		a, _, refuse := th.check(noon, aliceRef, home)
		require.False(t, refuse)
		th.succeeded(a)
	}
	_, _, refuse := th.check(noon, aliceRef, home)
	require.False(t, refuse)
	_, _, refuse = th.check(noon, aliceRef, home)
	require.True(t, refuse, "a success does not forgive the failures before it: an attacker may have an account too")
}

// What was not compared told nobody anything.
func TestAbandonedAttemptsAreGivenBack(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	for range 1000 {
		a, delay, refuse := th.check(noon, aliceRef, attacker)
		require.False(t, refuse)
		require.Zero(t, delay)
		th.abandoned(a)
	}
	require.False(t, th.knows(aliceRef, networkOf(attacker)))
}

// An account is attacked from many addresses, so that those which are new to it wait. Attempts that did not add to
// that do not take from it when they are abandoned, as on a busy machine, or succeed: otherwise a crowd of them would
// end the waiting.
func TestDecision11_NoMoreIsGivenBackThanWasTaken(t *testing.T) {
	t.Parallel()
	for name, giveBack := range map[string]func(*throttle, attempt){"abandoned": (*throttle).abandoned, "succeeded": (*throttle).succeeded} {
		th := newThrottle()
		address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}) }
		for i := range 100 {
			th.check(noon, aliceRef, address(i))
		}
		var crowd []attempt
		for i := 200; i < 300; i++ {
			a, delay, _ := th.check(noon, aliceRef, address(i))
			require.Equal(t, maxLoginDelay, delay)
			crowd = append(crowd, a)
		}
		for _, a := range crowd {
			giveBack(th, a)
		}
		_, delay, _ := th.check(noon, aliceRef, home)
		require.Equal(t, maxLoginDelay, delay, name)
	}
}

// An attempt is counted before its password is compared.
func TestDecision11_ParallelAttemptsDoNotSlipThrough(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if _, _, refuse := th.check(noon, aliceRef, attacker); !refuse {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, pairBurst, passed.Load())
}

// Who has many addresses must not get rid of an old one's failures by using the others,
// nor shut strangers out.
func TestDecision11_ManyAddressesEvictNothing(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	address := func(i int) netip.Addr {
		b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint32(b[4:], uint32(i))
		return netip.AddrFrom16(b)
	}
	// As many failures as a large machine can check passwords, for two minutes; the
	// attacker's own address goes on as fast as it may.
	const perSecond, seconds = 1000, 120
	now, passed := noon, 0
	for i := range seconds * perSecond {
		now = noon.Add(time.Duration(i) * time.Second / perSecond)
		th.check(now, userRef{7, fmt.Sprint("name", i)}, address(i))
		if i%100 == 0 {
			if _, _, refuse := th.check(now, userRef{7, fmt.Sprint("victim", i)}, attacker); !refuse {
				passed++
			}
		}
	}
	require.InDelta(t, addressBurst+seconds*int(time.Second)/int(addressEvery), passed, 2)

	shut := 0
	for i := range 10_000 {
		if _, _, refuse := th.check(now, userRef{7, fmt.Sprint("stranger", i)}, address(1_000_000+i)); refuse {
			shut++
		}
	}
	require.LessOrEqual(t, shut, 20, "of 10000 strangers")
	_, _, refuse := th.check(now, aliceRef, home)
	require.False(t, refuse)
}

// With ten thousand addresses that have used up all attempts, strangers come in.
func TestDecision11_OverdrawnAddressesDoNotShutStrangersOut(t *testing.T) {
	t.Parallel()
	m := newMeter(addressBurst, addressEvery)
	th := newThrottle()
	for i := range 10_000 {
		h := th.hash(i)
		for range addressBurst {
			m.add(h, 0)
		}
		require.Positive(t, m.wait(h, 0))
	}
	shut := 0
	for i := range 100_000 {
		if m.wait(th.hash(-1-i), 0) > 0 {
			shut++
		}
	}
	require.LessOrEqual(t, shut, 100, "of 100000 strangers")
}

// The system's clock may be set back.
func TestThrottleOutlivesAClockSetBack(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	now := time.Now() // with a monotonic reading, as the caller's
	for range pairBurst {
		th.check(now, aliceRef, attacker)
	}
	_, delay, refuse := th.check(now.Add(-time.Second), aliceRef, attacker)
	require.True(t, refuse)
	require.Equal(t, pairEvery+time.Second, delay)
}

func BenchmarkThrottle(b *testing.B) {
	th := newThrottle()
	b.ReportAllocs()
	for b.Loop() {
		a, _, _ := th.check(noon, aliceRef, home)
		th.succeeded(a)
	}
}
