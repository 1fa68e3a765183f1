package auth

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyring has the keys of one provider.
type keyring interface {
	// verify checks a signature and returns what was signed and the key that signed it.
	// Errors: errBadSignature, errUnknownKey, errNoKeyID, *retryError, ctx.Err.
	verify(ctx context.Context, s *signature) ([]byte, thumbprint, error)
	// holds reports whether a key that verified a token is still there.
	holds(key thumbprint) bool
	// algorithms are those that the provider says it signs with, nil if it does not say.
	algorithms() []string
}

// publicKey is a key that tokens are verified with.
type publicKey struct {
	jose.JSONWebKey
	// issuer is that of the tokens which the key is for, "" if the key set does not say.
	// Entra's common key set says it; it may hold {tenantid}.
	issuer     string
	thumbprint thumbprint
}

// thumbprint names a key with its ID and algorithm.
type thumbprint [sha256.Size]byte

func newPublicKey(key jose.JSONWebKey, issuer string) (publicKey, error) {
	sum, err := key.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return publicKey{}, errors.New("not a public key of a known type")
	}
	text := fmt.Appendf(sum, "\n%q\n%q\n%q", key.KeyID, key.Algorithm, issuer)
	return publicKey{JSONWebKey: key, issuer: issuer, thumbprint: sha256.Sum256(text)}, nil
}

// signature is what of a token its provider's keys decide on.
type signature struct {
	jws    *jose.JSONWebSignature
	alg    string
	kid    string // "" if the token does not say
	issuer string
	tenant string    // "" unless the provider's issuer has a {tenantid}
	made   time.Time // at the latest: by then its key was published
	// needsKid refuses a token without a key ID where there are several keys.
	needsKid bool
}

var (
	errBadSignature = errors.New("bad signature")
	errUnknownKey   = errors.New("unknown key")
	errNoKeyID      = errors.New("token has no kid, and there are several keys")
)

// verifyWith tries the keys that the token can mean.
func (s *signature) verifyWith(list []publicKey) ([]byte, thumbprint, error) {
	if s.kid == "" && s.needsKid && len(list) > 1 {
		return nil, thumbprint{}, errNoKeyID
	}
	result := errUnknownKey
	for i := range list {
		key := &list[i]
		if s.kid == "" || key.KeyID == s.kid {
			result = errBadSignature
		} else if key.KeyID != "" {
			continue // a key without an ID may be any
		}
		if !s.isOf(key) || !fits(&key.JSONWebKey, s.alg) {
			continue
		}
		if payload, err := s.jws.Verify(key.Key); err == nil {
			return payload, key.thumbprint, nil
		}
	}
	return nil, thumbprint{}, result
}

// mayNeedAnother reports whether the token may be signed with a key that we do not know yet. With a known key ID
// and a bad signature it is not. Without one every key was tried, and the one that we lack may be meant: who
// signs in with it must not be told 401 while it cannot be fetched (DECISIONS 7). Whoever makes tokens up is
// told 503 then, too.
func (s *signature) mayNeedAnother(err error) bool {
	return errors.Is(err, errUnknownKey) || s.kid == "" && errors.Is(err, errBadSignature)
}

// isOlderThan reports whether the token was made before keys began to be fetched. Then what they lack is gone, or never was.
func (s *signature) isOlderThan(k *keys) bool { return s.made.Before(k.Asked) }

// isOf reports whether a key may sign for the token's issuer: a key of one tenant in
// the key set of all must not sign for another.
func (s *signature) isOf(key *publicKey) bool {
	return s.tenant == "" || key.issuer == "" ||
		strings.ReplaceAll(key.issuer, tenantPlaceholder, s.tenant) == s.issuer
}

// holdsKey reports whether a key is in list.
func holdsKey(list []publicKey, key thumbprint) bool {
	return slices.ContainsFunc(list, func(k publicKey) bool { return k.thumbprint == key })
}

// losesKey reports whether a key of before is missing after.
func losesKey(before, after []publicKey) bool {
	return slices.ContainsFunc(before, func(k publicKey) bool { return !holdsKey(after, k.thumbprint) })
}

// keyIDs are the IDs of keys, for the log.
func keyIDs(list []publicKey) []string {
	ids := make([]string, len(list))
	for n, k := range list {
		ids[n] = k.KeyID
	}
	return ids
}
