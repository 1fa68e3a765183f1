package standin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // x5t is one (RFC 7517 section 4.8)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"sync"
)

// key is a provider's key for RS256, which all of them sign with.
type key struct {
	private *rsa.PrivateKey
	cert    []byte // one that the key signed for itself
}

// keys are made once, since RSA keys take their time: two that sign, and one that no set
// publishes.
var keys = sync.OnceValue(func() [3]*key {
	var made [3]*key

	for i := range made {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}

		template := template("signing")

		cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
		if err != nil {
			panic(err)
		}

		made[i] = &key{private, cert}
	}

	return made
})

// jwk is the public key (RFC 7517, RFC 7518 section 6.3), with what the provider adds.
func (k *key) jwk(kid string, more object) object {
	e := base64.RawURLEncoding.EncodeToString
	jwk := object{
		"kty": "RSA", "use": "sig", "kid": kid,
		"n": e(k.private.N.Bytes()), "e": e(big.NewInt(int64(k.private.E)).Bytes()),
	}

	return jwk.with(more)
}

// certified are the members for the key's certificate.
func (k *key) certified() object {
	x5t, x5t256 := sha1.Sum(k.cert), sha256.Sum256(k.cert)

	return object{
		"x5c":      []string{base64.StdEncoding.EncodeToString(k.cert)},
		"x5t":      base64.RawURLEncoding.EncodeToString(x5t[:]),
		"x5t#S256": base64.RawURLEncoding.EncodeToString(x5t256[:]),
	}
}
