package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// errKeyFile says what a key file may hold.
var errKeyFile = errors.New("neither a JWK set, nor a JWK, nor PEM: write {\"keys\":[…]}, " +
	"or the public key as `openssl pkey -pubout` prints it")

// parseKeyFile reads a key file: a JWK set (RFC 7517 section 5), one JWK, or PEM public
// keys and certificates. Other than in the set of a provider, which has keys for many
// purposes, every key must be one that may verify tokens: whoever wrote the file meant
// each of them. Errors quote nothing of the file.
func parseKeyFile(text []byte) ([]publicKey, error) {
	text = bytes.TrimSpace(text)
	var keys []publicKey
	var err error
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty")
	case text[0] == '{':
		keys, err = parseJSONKeys(text)
	case bytes.Contains(text, []byte(pemBegin)):
		keys, err = parsePEMKeys(text)
	default:
		return nil, errKeyFile
	}
	if err == nil {
		err = checkKeyIDs(keys)
	}
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// parseJSONKeys reads a JWK set or one JWK.
func parseJSONKeys(text []byte) ([]publicKey, error) {
	if _, err := parseClaims(text); err != nil { // duplicate members too
		return nil, errors.New("not well-formed JSON without duplicate members")
	}
	var members map[string]json.RawMessage // exact names, unlike a struct's
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, errKeyFile
	}
	set, isSet := members["keys"]
	if !isSet {
		return parseJWKs([]json.RawMessage{text})
	}
	var list []json.RawMessage
	if err := json.Unmarshal(set, &list); err != nil || list == nil {
		return nil, errors.New("keys is not an array of JWKs")
	}
	return parseJWKs(list)
}

// parseJWKs reads JWKs of which each must be good.
func parseJWKs(list []json.RawMessage) ([]publicKey, error) {
	switch {
	case len(list) == 0:
		return nil, errors.New("there is no key in it")
	case len(list) > maxKeys:
		return nil, fmt.Errorf("%d keys are more than %d", len(list), maxKeys)
	}
	keys := make([]publicKey, len(list))
	for i, raw := range list {
		var err error
		if keys[i], err = parseJWK(raw); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	return keys, nil
}

const pemBegin = "-----BEGIN "

// parsePEMKeys reads PEM blocks: PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE, of which
// only the key counts. Text between them is not read.
func parsePEMKeys(text []byte) ([]publicKey, error) {
	blocks := bytes.Count(text, []byte(pemBegin))
	if blocks > maxKeys {
		return nil, fmt.Errorf("%d keys are more than %d", blocks, maxKeys)
	}
	var keys []publicKey
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		key, err := parsePEMKey(block)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys, text = append(keys, key), rest
	}
	if len(keys) != blocks {
		return nil, errors.New("there is a damaged PEM block in it") // Decode skips them
	}
	return keys, nil
}

func parsePEMKey(block *pem.Block) (publicKey, error) {
	var key any
	var err error
	switch {
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return publicKey{}, errPrivateKey
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	default:
		return publicKey{}, errors.New("PEM block is neither PUBLIC KEY nor CERTIFICATE")
	}
	if err != nil {
		return publicKey{}, fmt.Errorf("malformed %s", block.Type)
	}
	if err := checkPublic(key); err != nil {
		return publicKey{}, err
	}
	return newPublicKey(jose.JSONWebKey{Key: key}, "")
}

// checkKeyIDs refuses several keys of which a token could not say which one it means.
func checkKeyIDs(keys []publicKey) error {
	if len(keys) < 2 {
		return nil
	}
	seen := make(map[string]bool, len(keys))
	for i, key := range keys {
		switch {
		case key.KeyID == "":
			return fmt.Errorf("key %d has no kid, which several keys need (PEM keys have none: write a JWK set)", i+1)
		case seen[key.KeyID]:
			return fmt.Errorf("key %d has the kid of another", i+1)
		}
		seen[key.KeyID] = true
	}
	return nil
}

// checkUsable refuses keys of which none can verify a signature of the algorithms.
func checkUsable(keys []publicKey, algorithms []string) error {
	for i := range keys {
		for _, alg := range algorithms {
			if fits(&keys[i].JSONWebKey, alg) {
				return nil
			}
		}
	}
	return fmt.Errorf("no key can verify %s: correct algorithms, or the key's alg", strings.Join(algorithms, " or "))
}
