package standin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// AppleKey is a key for client secrets, as a developer downloads it once.
type AppleKey struct {
	ID, Team string

	private *ecdsa.PrivateKey
}

// NewAppleKey makes one.
func NewAppleKey() (*AppleKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}

	return &AppleKey{ID: "ABC123DEFG", Team: "DEF123GHIJ", private: private}, nil
}

// P8 is the file.
func (k *AppleKey) P8() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// check judges a client secret as Apple does: a token of the team about the client, for
// Apple, signed by ES256, good for six months at the most.
func (k *AppleKey) check(client, secret string) error {
	token, err := jwt.ParseSigned(secret, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return fmt.Errorf("the client secret: %w", err)
	}

	var claims jwt.Claims
	if err := token.Claims(k.private.Public(), &claims); err != nil {
		return fmt.Errorf("the client secret: %w", err)
	}

	switch {
	case token.Headers[0].KeyID != k.ID:
		return errors.New("the client secret has another kid")
	case claims.Issuer != k.Team, claims.Subject != client:
		return errors.New("the client secret is of another team or client")
	case !slices.Equal(claims.Audience, jwt.Audience{"https://appleid.apple.com"}):
		return errors.New("the client secret is for somebody else")
	case claims.IssuedAt == nil || claims.Expiry == nil || claims.Expiry.Time().Before(time.Now()):
		return errors.New("the client secret has expired")
	case claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > 15777000*time.Second:
		return errors.New("the client secret lives longer than six months")
	}

	return nil
}
