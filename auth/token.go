package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 16 << 10

// maxSubject is the longest subject, in bytes. OpenID Connect Core section 2 allows
// 255 ASCII characters; we are generous.
const maxSubject = 1024

// signatureAlgorithms are those that any provider may use: asymmetric ones only. With
// HS* a public key could be used as a secret (RFC 8725 section 2.1).
var signatureAlgorithms = []string{
	"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA",
}

// token is a bearer token that was read but not verified.
type token struct {
	raw     string
	payload []byte // decoded
	alg     string
	kid     string
	access  bool // typ says access token (RFC 9068)

	claims    claims
	issuer    string
	subject   string
	audience  []string
	party     string // azp
	expires   time.Time
	issued    time.Time
	notBefore time.Time
}

// Reasons that a token is refused before anything is known about its provider.
var (
	errMalformed = errors.New("malformed token")
	errEncrypted = errors.New("encrypted tokens are not accepted")
	errTokenKind = errors.New("not an ID token")
	errAlgorithm = errors.New("signature algorithm not accepted")
)

// strictBase64 refuses a second spelling of the same bytes, so that a token has one
// text (RFC 7515 section 2: no padding, no line breaks).
var strictBase64 = base64.RawURLEncoding.Strict()

// peek reads a compact JWS without verifying it and checks all that needs neither the
// configuration nor the network. The error's text is for the client.
func peek(raw string) (*token, error) {
	if strings.Count(raw, ".") == 4 {
		return nil, errEncrypted
	}
	header, rest, ok1 := strings.Cut(raw, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || strings.Contains(signature, ".") {
		return nil, errMalformed
	}
	h, err := decodePart(header)
	if err != nil {
		return nil, errMalformed
	}
	t := &token{raw: raw}
	if err := t.readHeader(h); err != nil {
		return nil, err
	}
	if sig, err := decodePart(signature); err != nil || len(sig) == 0 {
		return nil, errMalformed
	}
	if t.payload, err = decodePart(payload); err != nil {
		return nil, errMalformed
	}
	if t.claims, err = parseClaims(t.payload); err != nil {
		return nil, errMalformed
	}
	return t, t.readClaims()
}

func decodePart(s string) ([]byte, error) {
	// Go's decoder skips line breaks.
	if strings.ContainsAny(s, "\r\n") {
		return nil, errMalformed
	}
	return strictBase64.DecodeString(s)
}

func (t *token) readHeader(text []byte) error {
	h, err := parseClaims(text)
	if err != nil {
		return errMalformed
	}
	if t.alg, err = h.text("alg"); err != nil {
		return errMalformed
	}
	if !slices.Contains(signatureAlgorithms, t.alg) {
		return errAlgorithm
	}
	if t.kid, err = h.text("kid"); err != nil {
		return errMalformed
	}
	typ, err := h.text("typ")
	if err != nil {
		return errMalformed
	}
	// RFC 8725 section 3.11: explicit types keep logout tokens, access tokens and
	// the like apart. The media type's "application/" may be left out (RFC 7515 4.1.9).
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt":
	case "at+jwt":
		t.access = true
	default:
		return errTokenKind
	}
	// crit and b64 change what is signed, jwk brings its own key: no ID token needs
	// them (RFC 8725 section 3.10). jku, x5u and x5c are not read at all.
	for _, name := range []string{"crit", "b64", "jwk", "enc"} {
		if _, there := h[name]; there {
			return errMalformed
		}
	}
	return nil
}

func (t *token) readClaims() error {
	c := t.claims
	var errs [7]error
	t.issuer, errs[0] = c.text("iss")
	t.subject, errs[1] = c.text("sub")
	t.expires, errs[2] = c.moment("exp")
	t.issued, errs[3] = c.moment("iat")
	t.notBefore, errs[4] = c.moment("nbf")
	t.party, errs[6] = c.text("azp")
	var ok bool
	if t.audience, ok = texts(c["aud"]); !ok {
		errs[5] = errors.New("claim aud is not a string or an array of strings")
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if _, there := c["events"]; there {
		// A security event token, such as a logout token, signs nobody in
		// (DECISIONS 4, RFC 8417).
		return errTokenKind
	}
	switch {
	case t.issuer == "":
		return errors.New("token has no issuer")
	case t.subject == "":
		return errors.New("token has no subject")
	case len(t.subject) > maxSubject || strings.ContainsRune(t.subject, utf8.RuneError):
		return errors.New("subject not accepted")
	case len(t.audience) == 0:
		return errors.New("token has no audience")
	case t.expires.IsZero():
		return errors.New("token has no expiry")
	case t.issued.IsZero():
		// OpenID Connect Core section 2 requires it, and not_before needs it.
		return errors.New("token has no issue time")
	}
	return nil
}

// checkAccess judges what RFC 9068 section 2.2 asks of an access token beyond what any
// token needs: the client that it was issued to, and an ID.
func (t *token) checkAccess() error {
	for _, name := range []string{"client_id", "jti"} {
		value, err := t.claims.text(name)
		if err != nil {
			return err
		}
		if value == "" {
			return errors.New("access token has no " + name)
		}
	}
	return nil
}

// checkTimes judges the token's times. exp has no leeway, skew forgives nbf and iat
// only (DECISIONS 5). maxAge, if not zero, ends the token that long after iat; the
// token's end is returned.
func (t *token) checkTimes(now time.Time, skew, maxAge time.Duration) (end time.Time, err error) {
	end = t.expires
	if maxAge > 0 && t.issued.Add(maxAge).Before(end) {
		end = t.issued.Add(maxAge)
	}
	switch {
	case !now.Before(t.expires):
		return end, errors.New("token expired")
	case !now.Before(end):
		return end, errors.New("token too old")
	case t.notBefore.After(now.Add(skew)):
		return end, errors.New("token not valid yet")
	case t.issued.After(now.Add(skew)):
		return end, errors.New("token issued in the future")
	}
	return end, nil
}

// tokenKey names a token for good. It is taken over what is signed, not over the
// whole text: an ECDSA signature has a second valid form, and whoever was refused
// one must not come back with the other.
type tokenKey [sha256.Size]byte

func (t *token) key() tokenKey {
	return sha256.Sum256([]byte(t.raw[:strings.LastIndexByte(t.raw, '.')]))
}
