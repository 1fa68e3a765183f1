package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/zap"
)

const (
	// clientSecretLife is how long a signed client secret is good. Apple allows six
	// months; one is made for each request.
	clientSecretLife = 5 * time.Minute
	// keyFileInterval is how often a named file is looked at for changes (DECISIONS 17).
	keyFileInterval = 5 * time.Second
	// maxKeyFile is the largest key file, in bytes.
	maxKeyFile = 64 << 10
)

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

	mu      sync.Mutex
	key     *ecdsa.PrivateKey
	seen    fileMark
	checked time.Time
}

// fileMark tells versions of a file apart.
type fileMark struct {
	size     int64
	modified time.Time
}

// newSecretSigner reads the key.
func newSecretSigner(k ClientSecretKey) (*secretSigner, error) {
	if k.File == "" || k.KeyID == "" || k.Team == "" {
		return nil, errors.New("client_secret_key needs a file, a key ID and a team ID: `client_secret_key <file> <kid> <team>`")
	}
	s := &secretSigner{ClientSecretKey: k, checked: time.Now()}
	mark, err := keyFileMark(k.File)
	if err == nil {
		s.key, err = readSecretKey(k.File)
	}
	if err != nil {
		return nil, fmt.Errorf("client_secret_key: %w", err)
	}
	s.seen = mark
	return s, nil
}

func keyFileMark(file string) (fileMark, error) {
	info, err := os.Stat(file)
	if err != nil {
		return fileMark{}, err
	}
	return fileMark{info.Size(), info.ModTime()}, nil
}

// readSecretKey never puts any of the file's bytes into an error.
func readSecretKey(file string) (*ecdsa.PrivateKey, error) {
	root, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir(), info.Size() > maxKeyFile:
		return nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("not a key file")}
	}
	text := make([]byte, maxKeyFile)
	n, err := root.Read(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	block, _ := pem.Decode(text[:n])
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds no PEM block PRIVATE KEY: write the .p8 file as it was downloaded", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is not a PKCS #8 key", file)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s is not an ECDSA key on P-256, which ES256 needs", file)
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

// current returns the key, read again if the file changed.
func (s *secretSigner) current(logger *zap.Logger) *ecdsa.PrivateKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.checked) < keyFileInterval {
		return s.key
	}
	s.checked = now
	mark, err := keyFileMark(s.File)
	if err == nil && mark == s.seen {
		return s.key
	}
	var key *ecdsa.PrivateKey
	if err == nil {
		key, err = readSecretKey(s.File)
	}
	if err != nil {
		logger.Error("client_secret_key was not read again, the old key stays in use", zap.Error(err))
		return s.key
	}
	s.key, s.seen = key, mark
	return key
}
