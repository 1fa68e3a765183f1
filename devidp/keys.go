package devidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	rsaBits = 2048
	// maxRetired bounds the retired keys; the oldest go first. Relying parties take no
	// key set of any length.
	maxRetired = 30
)

// algorithms are those that tokens can be signed with, in the order of the key set.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
}

// signingKey is one private key.
type signingKey struct {
	jwk jose.JSONWebKey
}

var _ op.SigningKey = signingKey{}

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm {
	return jose.SignatureAlgorithm(k.jwk.Algorithm)
}
func (k signingKey) Key() any   { return k.jwk.Key }
func (k signingKey) ID() string { return k.jwk.KeyID }

// publicKey is the public half of one key.
type publicKey struct {
	jwk jose.JSONWebKey
}

var _ op.Key = publicKey{}

func (k publicKey) ID() string { return k.jwk.KeyID }
func (k publicKey) Algorithm() jose.SignatureAlgorithm {
	return jose.SignatureAlgorithm(k.jwk.Algorithm)
}
func (publicKey) Use() string { return oidc.KeyUseSignature }
func (k publicKey) Key() any  { return k.jwk.Key }

// keyring has the keys of a data folder. They are random, made once, when first needed,
// and kept (DECISIONS 20). Making them waits for the first need because `caddy validate`
// provisions too: run by root, it would leave keys that the server cannot read.
type keyring struct {
	file keyFile

	mu      sync.Mutex
	keys    []signingKey // in the order of algorithms(); nil until loaded
	retired []retiredKey
}

// retiredKey signs no more, and is published until a time. It lives in memory: a restart
// drops it, as it ends the sign-ins.
type retiredKey struct {
	key   publicKey
	until time.Time
}

// load reads the keys if they were made already.
func (k *keyring) load() error {
	k.mu.Lock()
	defer k.mu.Unlock()

	if k.keys != nil {
		return nil
	}

	keys, err := k.file.read()
	if err != nil {
		return err
	}

	k.keys = keys

	return nil
}

// all returns the keys, made now if they never were.
func (k *keyring) all() ([]signingKey, error) {
	if err := k.load(); err != nil {
		return nil, err
	}

	k.mu.Lock()
	defer k.mu.Unlock()

	if k.keys != nil {
		return k.keys, nil
	}

	fresh, err := generateKeys()
	if err != nil {
		return nil, err
	}

	// Another process may have been faster; then its keys are the folder's.
	kept, err := k.file.create(fresh)
	if err != nil {
		return nil, err
	}

	k.keys = kept

	return kept, nil
}

// signing returns the private key of an algorithm.
func (k *keyring) signing(algorithm jose.SignatureAlgorithm) (signingKey, error) {
	keys, err := k.all()
	if err != nil {
		return signingKey{}, err
	}

	for _, key := range keys {
		if key.SignatureAlgorithm() == algorithm {
			return key, nil
		}
	}

	return signingKey{}, fmt.Errorf("%w: it has no key for %s", ErrDamagedKeys, algorithm)
}

// public returns the public keys: those that sign now, and the retired.
func (k *keyring) public() ([]op.Key, error) {
	keys, err := k.all()
	if err != nil {
		return nil, err
	}

	public := make([]op.Key, 0, len(keys))
	for _, key := range keys {
		public = append(public, publicKey{key.jwk.Public()})
	}

	k.mu.Lock()
	defer k.mu.Unlock()

	for _, old := range k.retired {
		if time.Now().Before(old.until) {
			public = append(public, old.key)
		}
	}

	return public, nil
}

// rotate makes new keys and returns them. Those of now, and any retired before, are
// published until keep has passed; with zero they are gone at once.
func (k *keyring) rotate(keep time.Duration) ([]signingKey, error) {
	if _, err := k.all(); err != nil {
		return nil, err
	}

	fresh, err := generateKeys()
	if err != nil {
		return nil, err
	}

	k.mu.Lock()
	defer k.mu.Unlock()

	if err := k.file.replace(fresh); err != nil {
		return nil, err
	}

	k.retire(keep)
	k.keys = fresh

	return fresh, nil
}

// retire puts the keys of now among the retired. mu is held.
func (k *keyring) retire(keep time.Duration) {
	now := time.Now()

	if keep <= 0 {
		k.retired = nil

		return
	}

	for _, key := range k.keys {
		k.retired = append(k.retired, retiredKey{publicKey{key.jwk.Public()}, now.Add(keep)})
	}

	k.retired = slices.DeleteFunc(k.retired, func(old retiredKey) bool { return !now.Before(old.until) })
	k.retired = k.retired[max(0, len(k.retired)-maxRetired):]
}

func generateKeys() ([]signingKey, error) {
	keys := make([]signingKey, 0, len(algorithms()))

	for _, algorithm := range algorithms() {
		private, err := generateKey(algorithm)
		if err != nil {
			return nil, fmt.Errorf("making the %s key: %w", algorithm, err)
		}

		jwk := jose.JSONWebKey{Key: private, Algorithm: string(algorithm), Use: oidc.KeyUseSignature}

		thumbprint, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("naming the %s key: %w", algorithm, err)
		}

		jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
		keys = append(keys, signingKey{jwk})
	}

	return keys, nil
}

func generateKey(algorithm jose.SignatureAlgorithm) (any, error) {
	switch algorithm {
	case jose.RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)

		return private, err
	default:
		return nil, fmt.Errorf("unsupported algorithm %q", algorithm)
	}
}
