package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// broken is a kind of token that must be refused.
type broken struct {
	name  string
	why   string // the source of the rule
	token func(i *issuer) string
	says  string // to the client
}

func withClaim(name string, value any) func(*issuer) string {
	return func(i *issuer) string { return i.token("alice", map[string]any{name: value}) }
}

func withHeader(key string, alg jose.SignatureAlgorithm, header map[string]any) func(*issuer) string {
	return func(i *issuer) string { return sign(i.t, key, alg, header, i.claims("alice")) }
}

// withHeaderText signs good claims of alice with key "ec" under a header as it is written.
func withHeaderText(header string) func(*issuer) string {
	return func(i *issuer) string {
		_, payload := splitToken(i.token("alice"))
		return signText(i.t, "ec", header, payload)
	}
}

// withPayloadText signs a payload as it is written. {iss} and {good} stand for the issuer
// and for the other claims of a good token, but its sub.
func withPayloadText(payload string) func(*issuer) string {
	return func(i *issuer) string {
		payload := strings.NewReplacer("{iss}", i.url, "{good}", `"aud":"app","iat":1700000000,"exp":4000000000`).Replace(payload)
		return signText(i.t, "ec", goodHeader, payload)
	}
}

func text(s string) func(*issuer) string {
	return func(*issuer) string { return s }
}

const goodHeader = `{"alg":"ES256","kid":"ec"}`

// signText signs header and payload, byte for byte, with a valid signature of the key's
// kind; what the header says does not matter.
func signText(tb testing.TB, key, header, payload string) string {
	tb.Helper()
	e := base64.RawURLEncoding.EncodeToString
	input := e([]byte(header)) + "." + e([]byte(payload))
	return input + "." + e(signInput(tb, testKeys()[key], input))
}

func signInput(tb testing.TB, key crypto.Signer, input string) []byte {
	tb.Helper()
	hash := sha256.Sum256([]byte(input))
	switch k := key.(type) {
	case *rsa.PrivateKey:
		signature, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, hash[:])
		require.NoError(tb, err)
		return signature
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(input))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, hash[:])
		require.NoError(tb, err)
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	}
	tb.Fatal("unknown kind of key")
	return nil
}

// splitToken returns the decoded header and payload.
func splitToken(token string) (header, payload string) {
	parts := strings.Split(token, ".")
	h, _ := base64.RawURLEncoding.DecodeString(parts[0])
	p, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return string(h), string(p)
}

// withSignature exchanges a token's signature.
func withSignature(token string, change func([]byte) []byte) string {
	dot := strings.LastIndexByte(token, '.')
	signature, _ := base64.RawURLEncoding.DecodeString(token[dot+1:])
	return token[:dot+1] + base64.RawURLEncoding.EncodeToString(change(signature))
}

// refuseAll shows each token to a server that knows the issuer: it is refused with 401, an
// RFC 6750 challenge and its reason, though a good cookie comes with it, and it leaves
// nothing behind.
func refuseAll(t *testing.T, list []broken) {
	t.Helper()
	for _, b := range list {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cookie := w.signIn(w.issuer.token("carol"))
			before := w.records.updates.Load()
			e := w.out(bearer(b.token(w.issuer)), cookie)
			require.Equal(t, http.StatusUnauthorized, e.Status, b.why)
			require.Equal(t, "unauthorized", e.Name)
			require.Equal(t, "Invalid login: "+b.says, e.Reason, b.why)
			require.Equal(t, []string{`Bearer realm="caddy-sync", error="invalid_token", error_description="` + b.says + `"`}, e.Challenges)
			require.False(t, w.records.holds("alice"), "a refused token left something behind")
			require.Equal(t, before, w.records.updates.Load(), "nothing is written")
			require.Zero(t, w.issuer.strays.Load(), "a token sent us somewhere")
		})
	}
}

// brokenTokens are some tokens of each attack, for tests of what must never be said of any.
func brokenTokens() []broken {
	var list []broken
	for _, attack := range [][]broken{
		unsignedTokens(), macTokens(), crossedAlgorithms(), embeddedKeys(), referredKeys(), strangeKeyIDs(),
		criticalHeaders(), duplicateMembers(), confusedHeaders(), otherKindsOfTokens(), wrappedTokens(), malformedTokens(),
		badSignatures(), zeroSignatures(), reshapedSignatures(), respelledSignatures(),
		untimelyTokens(), strangeAudiences(), lookAlikeIssuers(), confusedClaims(), strangeSubjects(),
	} {
		list = append(list, attack[:min(4, len(attack))]...)
	}
	return list
}

// A token of these tests that is refused for being badly
// made would prove nothing.
func TestTokensOfAttacksAreWellMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, good := range []func(*issuer) string{
		withHeaderText(goodHeader),
		withPayloadText(`{"iss":"{iss}","sub":"alice",{good}}`),
		func(i *issuer) string {
			_, payload := splitToken(i.token("alice"))
			return signText(i.t, "rsa", `{"alg":"RS256","kid":"rsa"}`, payload)
		},
		func(i *issuer) string {
			_, payload := splitToken(i.token("alice"))
			return signText(i.t, "ed", `{"alg":"EdDSA","kid":"ed"}`, payload)
		},
		func(i *issuer) string { return withSignature(i.token("alice"), func(s []byte) []byte { return s }) },
	} {
		require.Equal(t, "alice", w.in(bearer(good(w.issuer))).Subject)
	}
}
