package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/auth/filewatch"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/zap"
)

// clientSecretLife is how long a signed client secret is good. Apple allows six months;
// one is made for each request.
const clientSecretLife = 5 * time.Minute

// ClientSecretKey is the key of a client that signs its own secret, as Sign in with
// Apple wants it (DECISIONS 21).
type ClientSecretKey struct {
	File  string // PEM, PKCS #8, ECDSA P-256: the .p8 file of Apple's developer site
	KeyID string // kid of the secret
	Team  string // iss of the secret
}

// secretSigner makes client secrets. It reads its file again when that changes; a bad
// new one leaves the old in use (DECISIONS 17).
type secretSigner struct {
	ClientSecretKey

	key   atomic.Pointer[ecdsa.PrivateKey]
	watch *filewatch.Watch
}

// newSecretSigner reads the key.
func newSecretSigner(k ClientSecretKey) (*secretSigner, error) {
	if k.File == "" || k.KeyID == "" || k.Team == "" {
		return nil, errors.New("client_secret_key needs a file, a key ID and a team ID: `client_secret_key <file> <kid> <team>`")
	}
	s := &secretSigner{ClientSecretKey: k}
	var err error
	s.watch, err = filewatch.New(k.File, func(content []byte) error {
		key, err := parseSecretKey(content)
		if err == nil {
			s.key.Store(key)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("client_secret_key: %w", err)
	}
	return s, nil
}

// parseSecretKey never puts any of the file's bytes into an error.
func parseSecretKey(content []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no PEM block PRIVATE KEY: write the .p8 file as it was downloaded")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a PKCS #8 key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not an ECDSA key on P-256, which ES256 needs")
	}
	return key, nil
}

// secret signs a client secret for a client at an issuer.
func (s *secretSigner) secret(clientID, issuer string, logger *zap.Logger) (string, error) {
	key := s.current(logger)
	options := (&jose.SignerOptions{}).WithHeader("kid", s.KeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("signing the client secret: %w", err)
	}
	now := time.Now()
	text, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: s.Team, Subject: clientID, Audience: jwt.Audience{issuer},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(clientSecretLife)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing the client secret: %w", err)
	}
	return text, nil
}

// current returns the key, read again if the file changed. The file is looked at when a
// secret is made, which is seldom.
func (s *secretSigner) current(logger *zap.Logger) *ecdsa.PrivateKey {
	s.watch.LogTo(logger)
	s.watch.Check(filewatch.Interval)
	return s.key.Load()
}
