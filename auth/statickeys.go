package auth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/auth/filewatch"
	"go.uber.org/zap"
)

// checkInterval is the shortest time between two looks at a key file that unknown keys
// cause.
const checkInterval = time.Second

// staticKeys are the keys of a provider that stand in the configuration or in a file.
type staticKeys struct {
	list  atomic.Pointer[[]publicKey]
	watch *filewatch.Watch // nil without a file
}

// newStaticKeys reads a provider's keys, each of which must be good.
func newStaticKeys(p *Provider) (*staticKeys, error) {
	k := new(staticKeys)
	take := func(keys []publicKey) error {
		if err := checkUsable(keys, p.Algorithms); err != nil {
			return err
		}
		k.list.Store(&keys)
		return nil
	}
	if p.JWKSFile == "" {
		keys, err := parseJWKs(p.Keys)
		if err == nil {
			err = checkKeyIDs(keys)
		}
		if err != nil {
			return nil, err
		}
		return k, take(keys)
	}
	var err error
	k.watch, err = filewatch.New(p.JWKSFile, func(content []byte) error {
		keys, err := parseKeyFile(content)
		if err != nil {
			return err
		}
		return take(keys)
	})
	if err != nil {
		return nil, fmt.Errorf("jwks_file: %w", err)
	}
	return k, nil
}

// startKeys readies the provider's keys; each needs a stopKeys.
func (p *provider) startKeys(ctx context.Context, state *State, logger *zap.Logger) error {
	if p.static != nil {
		p.static.start(logger.With(zap.String("provider", p.Name)), state.leases.judgeAll)
		return nil
	}
	k, err := state.acquireKeys(ctx, p)
	if err != nil {
		return err
	}
	p.keys.Store(k)
	return nil
}

func (p *provider) stopKeys() {
	if p.static != nil {
		p.static.stop()
		return
	}
	p.keys.Load().release()
}

// start begins to follow the file; changed is called when its keys have changed.
func (k *staticKeys) start(logger *zap.Logger, changed func()) {
	if k.watch != nil {
		k.watch.Start(logger, changed)
	}
}

// stop ends what start began.
func (k *staticKeys) stop() {
	if k.watch != nil {
		k.watch.End()
	}
}

// verify implements keyring. A key that is not there may just have been written into
// the file: it is looked at then, so that nobody is told 401 for being early (DECISIONS 7).
func (k *staticKeys) verify(_ context.Context, s *signature) ([]byte, thumbprint, error) {
	payload, signer, err := s.verifyWith(*k.list.Load())
	unknown := errors.Is(err, errUnknownKey)
	if k.watch == nil || !unknown && (s.kid != "" || !errors.Is(err, errBadSignature)) {
		return payload, signer, err
	}
	if !k.watch.Check(checkInterval) {
		if unknown {
			return nil, thumbprint{}, &retryError{after: checkInterval, cause: err}
		}
		return nil, thumbprint{}, err
	}
	return s.verifyWith(*k.list.Load())
}

// holds implements keyring.
func (k *staticKeys) holds(key thumbprint) bool { return holdsKey(*k.list.Load(), key) }

// algorithms implements keyring.
func (k *staticKeys) algorithms() []string { return nil }
