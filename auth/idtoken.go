package auth

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
)

// checkIDToken checks what concerns only tokens that this server asked for (OpenID
// Connect Core 3.1.3.7 and 3.1.3.8). The reason, if any, is for the answer.
func checkIDToken(t *token, clientID, accessToken string) string {
	azp, err := t.claims.text("azp")
	switch {
	case err != nil:
		return "claim azp is not a string"
	case !slices.Contains(t.audience, clientID):
		return "it is for another client"
	case azp != "" && azp != clientID:
		return "it was issued to another client (azp)"
	case azp == "" && len(t.audience) > 1:
		return "it has several audiences and no azp"
	}
	hash, err := t.claims.text("at_hash")
	switch {
	case err != nil:
		return "claim at_hash is not a string"
	case hash != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(halfHash(t.alg, accessToken))) == 0:
		return "at_hash is not that of the access token"
	}
	return ""
}

// halfHash is at_hash: the left half of the hash that the signature algorithm uses.
func halfHash(alg, value string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "256"):
		h := sha256.Sum256([]byte(value))
		sum = h[:]
	case strings.HasSuffix(alg, "384"):
		h := sha512.Sum384([]byte(value))
		sum = h[:]
	default: // 512, and EdDSA with Ed25519
		h := sha512.Sum512([]byte(value))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
