package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limits of failed logins. A login that succeeds costs nothing.
const (
	// One client at one account: 10 at once, then one a minute; at most 1 450 a day.
	pairBurst = 10
	pairEvery = time.Minute

	// One client at whatever accounts: 60 at once, then one in 10 s. Many people may be
	// behind one address.
	addressBurst = 60
	addressEvery = 10 * time.Second

	// One account from all clients: after 30 at once, and more than one in 30 s, those
	// from addresses new to the account wait, longer with each, up to maxLoginDelay.
	// They are never refused, or anybody could lock anybody out.
	userBurst = 30
	userEvery = 30 * time.Second
	userDelay = 500 * time.Millisecond

	maxLoginDelay = 5 * time.Second

	// knownPlaces is how many (user, address) of successful logins are remembered.
	knownPlaces = 1 << 14
)

// throttle slows the guessing of passwords (DECISIONS 11). It knows users by the name
// that a login gives, whether they exist or not. Memory is some 8 MiB at most.
//
// check reserves an attempt before its password is compared, so that parallel ones
// cannot all slip through; succeeded and abandoned give back what it took.
type throttle struct {
	mu        sync.Mutex
	began     time.Time // of the first check; times are counted from here
	addresses meter
	pairs     meter
	users     meter
	known     *lru[place, struct{}]
	seeds     [2]maphash.Seed
}

// place is a user at an address, as a hash that nobody outside can foresee.
type place [2]uint64

func newThrottle() *throttle {
	return &throttle{
		addresses: newMeter(addressBurst, addressEvery),
		pairs:     newMeter(pairBurst, pairEvery),
		users:     newMeter(userBurst, userEvery),
		known:     newLRU[place, struct{}](knownPlaces),
		seeds:     [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

// attempt is what check took for a login.
type attempt struct {
	user userRef
	net  netip.Prefix
	// delays says that it makes the next ones at the account wait: not where those wait as long as they ever do.
	delays bool
}

// check reserves an attempt to log in as user from addr. If it refuses, nothing is
// reserved, and the answer is 429 with delay as Retry-After; otherwise the caller waits
// for delay before it compares the password, and then calls failed, succeeded or
// abandoned. An invalid address (a Unix socket) is one of its own.
func (t *throttle) check(now time.Time, user userRef, addr netip.Addr) (a attempt, delay time.Duration, refuse bool) {
	net := networkOf(addr)
	address, pair, account := t.hash(net), t.hash(placeOf{user, net}), t.hash(user)
	known := t.knows(user, net)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		t.began = now
	}
	at := now.Sub(t.began)
	// The address comes first, so that one that is refused leaves no other trace.
	if wait := t.addresses.wait(address, at); wait > 0 {
		return attempt{}, wait, true
	}
	if wait := t.pairs.wait(pair, at); wait > 0 {
		return attempt{}, wait, true
	}
	excess := t.users.wait(account, at)
	t.addresses.add(address, at)
	t.pairs.add(pair, at)
	late := int64(excess / userEvery)
	a = attempt{user, net, late < int64(maxLoginDelay/userDelay)}
	if a.delays {
		t.users.add(account, at) // a long attack is not remembered for long
	}
	if excess <= 0 || known {
		return a, 0, false
	}
	return a, min(maxLoginDelay, time.Duration(late+1)*userDelay), false
}

// refuses reports whether check would refuse. It reserves nothing.
func (t *throttle) refuses(now time.Time, user userRef, addr netip.Addr) bool {
	net := networkOf(addr)
	address, pair := t.hash(net), t.hash(placeOf{user, net})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		return false
	}
	at := now.Sub(t.began)
	return t.addresses.wait(address, at) > 0 || t.pairs.wait(pair, at) > 0
}

// failed is called when the password was wrong. The attempt stays counted.
func (t *throttle) failed(attempt) {}

// succeeded gives the attempt back, and remembers that the user logs in from there.
func (t *throttle) succeeded(a attempt) {
	t.abandoned(a)
	t.known.put(t.place(a.user, a.net), struct{}{})
}

// abandoned gives the attempt back when no password was compared: the client hung up, or
// too many were being checked. So what can be held against addresses is bounded by how
// many passwords this machine can check. What others took is not given back.
func (t *throttle) abandoned(a attempt) {
	address, pair, account := t.hash(a.net), t.hash(placeOf{a.user, a.net}), t.hash(a.user)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addresses.remove(address)
	t.pairs.remove(pair)
	if a.delays {
		t.users.remove(account)
	}
}

// placeOf is a user at a network.
type placeOf struct {
	user userRef
	net  netip.Prefix
}

// hash is of a netip.Prefix, a placeOf or a userRef.
func (t *throttle) hash(key any) uint64 { return maphash.Comparable(t.seeds[0], key) }

func (t *throttle) place(user userRef, net netip.Prefix) place {
	key := placeOf{user, net}
	return place{maphash.Comparable(t.seeds[0], key), maphash.Comparable(t.seeds[1], key)}
}

func (t *throttle) knows(user userRef, net netip.Prefix) bool {
	_, ok := t.known.get(t.place(user, net))
	return ok
}

// networkOf is what counts as one address: an IPv4 address, or the /64 that one
// subscriber has of IPv6 at the least.
func networkOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // the zero Prefix for no address
	return p
}
