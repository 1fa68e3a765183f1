package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys is how many keys of a provider are kept.
	maxKeys = 100
	// minRSABits is the shortest RSA key (RFC 7518 section 3.3).
	minRSABits = 2048
)

// parseJWKS reads a JWK set (RFC 7517) and keeps the keys that may verify tokens.
// The others are left out with the reason, as section 5 asks; a set without any good
// key is an error.
func parseJWKS(text []byte) (keys []publicKey, skipped []string, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, nil, errors.New("key set is not a JSON object with keys")
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("key set has %d keys, more than %d", len(set.Keys), maxKeys)
	}
	for i, raw := range set.Keys {
		key, err := parseJWK(raw)
		if err != nil {
			skipped = append(skipped, fmt.Sprintf("key %d: %v", i, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, skipped, fmt.Errorf("key set has no usable key (%s)", strings.Join(skipped, "; "))
	}
	return keys, skipped, nil
}

// parseJWK reads one JWK (RFC 7517 section 4) that may verify tokens. Its errors quote
// nothing of the key.
func parseJWK(raw json.RawMessage) (publicKey, error) {
	// Strictly, as a token: encoding/json would take "Use" for "use" (RFC 7517 section 4
	// allows refusing duplicates).
	members, err := parseClaims(raw)
	if err != nil {
		return publicKey{}, errors.New("malformed")
	}
	issuer, err := members.text("issuer")
	if err != nil {
		return publicKey{}, errors.New("malformed")
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(raw); err != nil {
		return publicKey{}, errors.New("malformed or of an unknown type")
	}
	if err := checkPublic(key.Key); err != nil {
		return publicKey{}, err
	}
	if use, there := members["use"]; there && use != "sig" {
		return publicKey{}, errors.New("not for signatures: its use is not sig")
	}
	if ops, there := members["key_ops"]; there {
		if list, ok := texts(ops); !ok || !slices.Contains(list, "verify") {
			return publicKey{}, errors.New("not for verifying: its key_ops lack verify")
		}
	}
	if key.Algorithm != "" && !slices.Contains(signatureAlgorithms, key.Algorithm) {
		return publicKey{}, errors.New("algorithm not accepted: its alg is none of " + strings.Join(signatureAlgorithms, " "))
	}
	return newPublicKey(key, issuer)
}

// checkPublic refuses what is no public key, and weak ones.
func checkPublic(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return fmt.Errorf("RSA key of %d bits: %d is the least", k.N.BitLen(), minRSABits)
		}
		return nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	case []byte:
		return errSymmetricKey
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return errPrivateKey
	}
	return errors.New("key of an unknown type")
}

var (
	errSymmetricKey = errors.New("symmetric key: whoever can verify with it can sign too, so take a key pair and give its public key")
	errPrivateKey   = errors.New("private key: whoever reads it can sign tokens, so give the public key only")
)

// fits reports whether key may verify a signature of algorithm alg: of that family
// and curve, and not reserved for another algorithm (RFC 8725 section 3.1).
func fits(key *jose.JSONWebKey, alg string) bool {
	if key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return alg == "ES256"
		case 384:
			return alg == "ES384"
		case 521:
			return alg == "ES512"
		}
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}
