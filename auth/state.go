package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

// Sizes of the caches in entries; each takes a few hundred bytes.
const (
	userCacheSize    = 1 << 15
	roleCacheSize    = 1 << 12
	sessionCacheSize = 1 << 15
)

// records is what State needs of syncstore.Records.
type records interface {
	View(ctx context.Context, fn func(syncstore.RecordReader) error) error
	Update(ctx context.Context, fn func(syncstore.RecordTx) error) error
	OnRecovery(fn func(context.Context) error) (stop func())
}

// State is what outlives a configuration: sessions, users, refused tokens, open leases
// and the last good keys of providers. One for each store. The records are
// authoritative; the caches are dropped by the events of each change.
type State struct {
	records records
	logger  *zap.Logger
	ctx     context.Context // done when closed
	cancel  context.CancelFunc

	forgetRecovery func()         // has the records no longer tell recovered
	background     sync.WaitGroup // what recovered began

	users      *lru[userRef, *User]
	roles      *lru[roleRef, *Role]
	identities *lru[identityRef, *identityRecord]
	sessions   *lru[sessionKey, *session]
	people     atomic.Int64 // that the caches are for; 0: the default
	refused    refusedTokens
	changes    *changes
	seen       seenTokens
	touched    touched
	touchEvery atomic.Int64 // in milliseconds
	touchLoss  atomic.Int64 // likewise
	leases     leaseHub
	passwords  *passwords
	basic      *basicCache
	throttle   *throttle
	logins     singleflight.Group // by loginKey
	codeLogins codeLogins

	current atomic.Pointer[Service] // by which leases are judged

	mu      sync.Mutex
	keySets map[string]*keySet
}

// OpenState opens the state kept in records. logger may be nil.
func OpenState(ctx context.Context, records *syncstore.Records, logger *zap.Logger) (*State, error) {
	return openState(ctx, records, logger)
}

func openState(ctx context.Context, r records, logger *zap.Logger) (*State, error) {
	if logger == nil {
		logger = zap.NewNop()
	}
	s := &State{
		records:    r,
		logger:     logger,
		users:      newLRU[userRef, *User](userCacheSize),
		roles:      newLRU[roleRef, *Role](roleCacheSize),
		identities: newLRU[identityRef, *identityRecord](userCacheSize),
		sessions:   newLRU[sessionKey, *session](sessionCacheSize),
		changes:    newChanges(),
		keySets:    map[string]*keySet{},
		passwords:  newPasswords(runtime.GOMAXPROCS(0)),
		basic:      newBasicCache(),
		throttle:   newThrottle(),
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.leases.init(s)
	s.touched.init(s)
	s.sessions.whenGone(s.keepUse)
	s.forgetRecovery = r.OnRecovery(s.recovered)
	if err := s.loadRefused(ctx); err != nil {
		s.forgetRecovery()
		s.cancel()
		return nil, fmt.Errorf("opening the sign-in state: %w", err)
	}
	return s, nil
}

// Close ends background work, writes what sessions' last uses are still in memory, and
// ends the leases that are open. The store must still be open.
func (s *State) Close() {
	s.leases.endAll("server stopped")
	s.forgetRecovery()
	s.background.Wait()
	s.touched.close()
	s.cancel()
	s.mu.Lock()
	sets := s.keySets
	s.keySets = map[string]*keySet{}
	s.mu.Unlock()
	for _, k := range sets {
		k.close()
	}
}

// acquireKeys returns the key set of a provider, shared with earlier configurations so
// that a reload neither forgets keys nor the limits on fetching them.
func (s *State) acquireKeys(ctx context.Context, p *provider) (*keySet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keySets[p.shareKey()]
	if !ok {
		source := p.source()
		k = &keySet{source: source, logger: s.logger, ctx: s.ctx, lost: s.leases.judgeAll}
		k.save = func(ctx context.Context, good *keys) error { return s.saveKeys(ctx, source, good) }
		stored, err := s.loadKeys(ctx, source)
		if err != nil {
			return nil, err
		}
		if stored != nil {
			if err := k.restore(stored); err != nil {
				s.logger.Warn("stored keys of a provider are not usable", zap.String("provider", p.Name), zap.Error(err))
			}
		}
		s.keySets[p.shareKey()] = k
	}
	k.client.Store(p.client)
	k.hold()
	return k, nil
}

const providerPrefix = "auth/provider/"

func (s *State) loadKeys(ctx context.Context, source keySource) (*keys, error) {
	stored := new(keys)
	var found bool
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		var err error
		found, err = readJSON(r, 0, []byte(providerPrefix+source.storeKey()), stored)
		return err
	})
	if errors.Is(err, syncstore.ErrDamaged) || err == nil && !found {
		return nil, nil // they can be fetched again
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keys of provider %s: %w", source.provider, err)
	}
	return stored, nil
}

func (s *State) saveKeys(ctx context.Context, source keySource, good *keys) error {
	return s.update(ctx, func(tx *transaction) error {
		return tx.putJSON(0, []byte(providerPrefix+source.storeKey()), good, time.Time{})
	})
}
