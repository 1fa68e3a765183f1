package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// kidInterval is the shortest time between two fetches caused by unknown key IDs
	// (a flood of random ones must not become a flood at the provider).
	kidInterval = 30 * time.Second
	// The background refresh follows Cache-Control within these limits.
	minRefresh, defaultRefresh, maxRefresh = 5 * time.Minute, time.Hour, 24 * time.Hour
	// metadataAge is how old the discovery document may be when keys are fetched.
	metadataAge = time.Hour
	// overdueWait is how long a token waits for keys that are overdue before the old
	// ones are used.
	overdueWait = 2 * time.Second
	// maxBackoff is the longest wait after failures to get any keys at all.
	maxBackoff = time.Minute
)

// keySource says where a provider's keys come from.
type keySource struct {
	provider     string // name, for the log
	issuer       string
	discoveryURL string // "" with jwksURL
	jwksURL      string
}

// keySet holds a provider's keys. They are discovered at the first token, refreshed
// in the background, and kept when a fetch fails.
type keySet struct {
	source keySource
	logger *zap.Logger
	ctx    context.Context // of the State: fetches outlive the request that began them
	save   func(context.Context, *keys) error
	lost   func() // called when a key is gone
	work   sync.WaitGroup

	current atomic.Pointer[keys]
	client  atomic.Pointer[http.Client] // the newest configuration's

	mu       sync.Mutex
	flight   *flight
	failures int       // in a row
	retryAt  time.Time // after failures
	kidAt    time.Time // last fetch caused by an unknown key ID
	holders  int       // services that want background refreshes
	timer    *time.Timer
}

// keys are one good state of a keySet. It is stored as JSON.
type keys struct {
	Metadata   metadata        `json:"metadata"`
	Discovered time.Time       `json:"discovered"`
	JWKS       json.RawMessage `json:"jwks"`
	Asked      time.Time       `json:"asked,omitzero"` // when they began to be fetched
	Fetched    time.Time       `json:"fetched"`
	Due        time.Time       `json:"due"` // for the next refresh

	list []publicKey
}

// flight is one fetch that any number of requests wait for.
type flight struct {
	done chan struct{}
	err  error
}

var errNoKeys = errors.New("the provider's keys are not available")

// retryError says that keys may be there later.
type retryError struct {
	after time.Duration
	cause error
}

func (e *retryError) Error() string { return e.cause.Error() }

// verify implements keyring.
func (k *keySet) verify(ctx context.Context, s *signature) ([]byte, thumbprint, error) {
	cur, fresh, err := k.usable(ctx)
	if err != nil {
		return nil, thumbprint{}, err
	}
	for {
		payload, signer, err := s.verifyWith(cur.list)
		if fresh || !s.mayNeedAnother(err) {
			return payload, signer, err
		}
		next, own, failure := k.refreshForKid(ctx, cur)
		switch {
		case failure == nil:
			// What others began to fetch before there was the token may lack its key.
			cur, fresh = next, own || s.isOlderThan(next)
		case s.kid == "" && s.isOlderThan(cur):
			return nil, thumbprint{}, err // no key that is to come is meant
		default:
			return nil, thumbprint{}, failure
		}
	}
}

// holds implements keyring. Before any keys are known, none is known to be gone.
func (k *keySet) holds(key thumbprint) bool {
	cur := k.current.Load()
	return cur == nil || holdsKey(cur.list, key)
}

// algorithms implements keyring.
func (k *keySet) algorithms() []string {
	if cur := k.current.Load(); cur != nil {
		return cur.Metadata.Algorithms
	}
	return nil
}

// usable returns the keys, fetching them if there are none or they are overdue. fresh
// says that they began to be fetched in this call.
func (k *keySet) usable(ctx context.Context) (cur *keys, fresh bool, err error) {
	cur = k.current.Load()
	now := time.Now()
	if cur != nil && now.Before(cur.Due) {
		return cur, false, nil
	}
	k.mu.Lock()
	if next := k.current.Load(); next != cur && now.Before(next.Due) {
		k.mu.Unlock()
		return next, false, nil // they came meanwhile
	}
	wait := k.retryAt.Sub(now)
	if k.flight == nil && wait > 0 {
		k.mu.Unlock()
		if cur != nil {
			return cur, false, nil // old keys are better than none
		}
		return nil, false, &retryError{after: wait, cause: errNoKeys}
	}
	own := k.flight == nil
	f := k.fly() //nolint:contextcheck // others wait for it too
	k.mu.Unlock()
	if cur != nil {
		// A slow provider must not make everybody slow.
		patient, cancel := context.WithTimeout(ctx, overdueWait)
		defer cancel()
		err = f.wait(patient)
		return k.current.Load(), own && err == nil, nil
	}
	err = f.wait(ctx)
	if next := k.current.Load(); next != nil {
		return next, own && err == nil, nil
	}
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	return nil, false, &retryError{after: time.Second, cause: fmt.Errorf("%w: %w", errNoKeys, err)}
}

// errNoDiscovery: the provider is configured by its keys alone.
var errNoDiscovery = errors.New("the provider has jwks_url and no discovery")

// describe returns what discovery says, fetching it if it is not known or was stored by
// a version that kept less of it. Errors: errNoDiscovery, *retryError, ctx.Err.
func (k *keySet) describe(ctx context.Context) (*metadata, error) {
	if k.source.discoveryURL == "" {
		return nil, errNoDiscovery
	}
	cur, _, err := k.usable(ctx)
	if err != nil {
		return nil, err
	}
	if cur.Metadata.Version == metadataVersion {
		return &cur.Metadata, nil
	}
	k.mu.Lock()
	if next := k.current.Load(); next.Metadata.Version == metadataVersion {
		k.mu.Unlock()
		return &next.Metadata, nil // it came meanwhile
	}
	if wait := time.Until(k.retryAt); k.flight == nil && wait > 0 {
		k.mu.Unlock()
		return nil, &retryError{after: wait, cause: errNoKeys}
	}
	f := k.fly() //nolint:contextcheck // others wait for it too
	k.mu.Unlock()
	if err := f.wait(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &retryError{after: time.Second, cause: err}
	}
	return &k.current.Load().Metadata, nil
}

// refreshForKid fetches the keys because seen lacks one, at most once in kidInterval. own says
// that they began to be fetched in this call.
func (k *keySet) refreshForKid(ctx context.Context, seen *keys) (next *keys, own bool, err error) {
	k.mu.Lock()
	if cur := k.current.Load(); cur != seen {
		k.mu.Unlock()
		return cur, false, nil
	}
	f := k.flight
	if own = f == nil; own {
		if wait := kidInterval - time.Since(k.kidAt); wait > 0 && !k.kidAt.IsZero() {
			k.mu.Unlock()
			return nil, false, &retryError{after: wait, cause: errUnknownKey}
		}
		k.kidAt = time.Now()
		f = k.fly() //nolint:contextcheck // others wait for it too
	}
	k.mu.Unlock()
	if err := f.wait(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		return nil, false, &retryError{after: kidInterval, cause: err}
	}
	return k.current.Load(), own, nil
}

// fly returns the fetch under way, starting one if there is none. mu is held.
func (k *keySet) fly() *flight {
	if k.ctx.Err() != nil {
		f := &flight{done: make(chan struct{}), err: k.ctx.Err()}
		close(f.done)
		return f
	}
	if k.flight == nil {
		f := &flight{done: make(chan struct{})}
		k.flight = f
		k.work.Go(func() { k.run(f) })
	}
	return k.flight
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run fetches and publishes.
func (k *keySet) run(f *flight) {
	ctx, cancel := context.WithTimeout(k.ctx, 2*fetchTimeout)
	defer cancel()
	old := k.current.Load()
	next, err := k.fetch(ctx, old)
	k.mu.Lock()
	if err == nil {
		k.current.Store(next)
		k.failures, k.retryAt = 0, time.Time{}
	} else {
		k.failures++
		k.retryAt = time.Now().Add(backoff(k.failures))
		if k.current.Load() != nil && k.failures == 1 {
			k.retryAt = time.Now().Add(kidInterval) // requests go on with the old keys
		}
	}
	k.flight = nil
	k.schedule()
	k.mu.Unlock()
	f.err = err
	close(f.done)
	if err != nil {
		if k.ctx.Err() == nil {
			k.logger.Warn("provider's keys were not fetched",
				zap.String("provider", k.source.provider), zap.Error(err))
		}
		return
	}
	if old != nil && losesKey(old.list, next.list) {
		k.lost()
	}
	err = k.save(ctx, next)
	switch {
	case err == nil && (old == nil || losesKey(old.list, next.list) || losesKey(next.list, old.list)):
		k.logger.Info("provider's keys are new and stored",
			zap.String("provider", k.source.provider), zap.Strings("keys", keyIDs(next.list)))
	case err != nil && ctx.Err() == nil:
		k.logger.Warn("provider's keys were not stored",
			zap.String("provider", k.source.provider), zap.Error(err))
	}
}

// backoff is the wait after n failures in a row: none after the first, for the
// provider may be behind this same Caddy and not up yet (DECISIONS 7).
func backoff(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return min(time.Second<<min(n-2, 10), maxBackoff)
}

// fetch gets metadata, unless known and young, and the keys.
func (k *keySet) fetch(ctx context.Context, old *keys) (*keys, error) {
	next := &keys{Metadata: metadata{Issuer: k.source.issuer, JWKSURI: k.source.jwksURL}, Asked: time.Now()}
	known := k.source.discoveryURL == ""
	if !known && old != nil && time.Since(old.Discovered) < metadataAge && old.Metadata.Version == metadataVersion {
		next.Metadata, next.Discovered, known = old.Metadata, old.Discovered, true
	}
	if known {
		err := k.fetchKeys(ctx, next)
		if err == nil || k.source.discoveryURL == "" {
			return next, err
		}
	}
	// Also when the keys are no longer where they were.
	var err error
	if next.Metadata, err = discover(ctx, k.client.Load(), k.source.issuer, k.source.discoveryURL); err != nil {
		return nil, err
	}
	next.Discovered = time.Now()
	return next, k.fetchKeys(ctx, next)
}

func (k *keySet) fetchKeys(ctx context.Context, next *keys) error {
	body, header, err := fetch(ctx, k.client.Load(), next.Metadata.JWKSURI)
	if err != nil {
		return err
	}
	list, skipped, err := parseJWKS(body)
	if err != nil {
		return fmt.Errorf("reading %s: %w", next.Metadata.JWKSURI, err)
	}
	for _, why := range skipped {
		k.logger.Info("provider's key left out", zap.String("provider", k.source.provider), zap.String("why", why))
	}
	next.list, next.JWKS, next.Fetched = list, body, time.Now()
	lifetime := cacheLifetime(header, next.Fetched)
	next.Due = next.Fetched.Add(min(max(lifetime, minRefresh), maxRefresh))
	return nil
}

// restore takes up keys stored by an earlier process. They are used while the
// provider is down; if they are overdue, the first token fetches new ones.
func (k *keySet) restore(stored *keys) error {
	list, _, err := parseJWKS(stored.JWKS)
	if err != nil {
		return err
	}
	stored.list = list
	k.current.CompareAndSwap(nil, stored)
	return nil
}

// hold begins background refreshes; each hold needs a release.
func (k *keySet) hold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holders++
	k.schedule()
}

func (k *keySet) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holders--
	k.schedule()
	if k.holders == 0 {
		k.client.Load().CloseIdleConnections()
	}
}

// schedule arms the timer of the background refresh. mu is held.
func (k *keySet) schedule() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	cur := k.current.Load()
	if k.holders == 0 || cur == nil || k.ctx.Err() != nil {
		return
	}
	wait := time.Until(cur.Due)
	if k.failures > 0 {
		wait = max(wait, min(kidInterval<<min(k.failures-1, 10), defaultRefresh))
	}
	k.timer = time.AfterFunc(max(wait, time.Second), func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.holders > 0 && k.ctx.Err() == nil {
			k.fly()
		}
	})
}

// close ends background work; the State's context is done.
func (k *keySet) close() {
	k.mu.Lock()
	k.holders = 0
	k.schedule()
	k.mu.Unlock()
	k.work.Wait()
	k.client.Load().CloseIdleConnections()
}
