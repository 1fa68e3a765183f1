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
	for _, check := range [...]func(*token, claims) error{(*token).readAlgorithm, (*token).readKeyID, (*token).readType, checkExtensions} {
		if err := check(t, h); err != nil {
			return err
		}
	}
	return nil
}

func (t *token) readAlgorithm(h claims) (err error) {
	if t.alg, err = h.text("alg"); err != nil {
		return errMalformed
	}
	if !slices.Contains(signatureAlgorithms, t.alg) {
		return errAlgorithm
	}
	return nil
}

func (t *token) readKeyID(h claims) (err error) {
	if t.kid, err = h.text("kid"); err != nil {
		return errMalformed
	}
	return nil
}

// readType: RFC 8725 section 3.11: explicit types keep logout tokens, access tokens and
// the like apart. The media type's "application/" may be left out (RFC 7515 4.1.9).
func (t *token) readType(h claims) error {
	typ, err := h.text("typ")
	if err != nil {
		return errMalformed
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt":
	case "at+jwt":
		t.access = true
	default:
		return errTokenKind
	}
	return nil
}

// checkExtensions: crit and b64 change what is signed, jwk brings its own key: no ID token
// needs them (RFC 8725 section 3.10). jku, x5u and x5c are not read at all.
func checkExtensions(_ *token, h claims) error {
	for _, name := range []string{"crit", "b64", "jwk", "enc"} {
		if _, there := h[name]; there {
			return errMalformed
		}
	}
	return nil
}

// claimCheck reads one claim that every token needs, or must not have.
type claimCheck struct {
	name string
	read func(*token) error
}

// claimChecks are tried in order.
var claimChecks = []claimCheck{
	{"events", (*token).refuseEvents}, {"iss", (*token).readIssuer}, {"sub", (*token).readSubject},
	{"aud", (*token).readAudience}, {"exp", (*token).readExpiry}, {"iat", (*token).readIssued},
	{"nbf", (*token).readNotBefore}, {"azp", (*token).readParty},
}

func (t *token) readClaims() error {
	for _, c := range claimChecks {
		if err := c.read(t); err != nil {
			return err
		}
	}
	return nil
}

// refuseEvents: a security event token, such as a logout token, signs nobody in
// (DECISIONS 4, RFC 8417).
func (t *token) refuseEvents() error {
	if _, there := t.claims["events"]; there {
		return errTokenKind
	}
	return nil
}

func (t *token) readIssuer() (err error) {
	if t.issuer, err = t.claims.text("iss"); err == nil && t.issuer == "" {
		err = errors.New("token has no issuer")
	}
	return err
}

func (t *token) readSubject() (err error) {
	t.subject, err = t.claims.text("sub")
	switch {
	case err != nil:
		return err
	case t.subject == "":
		return errors.New("token has no subject")
	case len(t.subject) > maxSubject || strings.ContainsRune(t.subject, utf8.RuneError):
		return errors.New("subject not accepted")
	}
	return nil
}

func (t *token) readAudience() error {
	var ok bool
	if t.audience, ok = texts(t.claims["aud"]); !ok {
		return errors.New("claim aud is not a string or an array of strings")
	}
	if len(t.audience) == 0 {
		return errors.New("token has no audience")
	}
	return nil
}

func (t *token) readExpiry() (err error) {
	if t.expires, err = t.claims.moment("exp"); err == nil && t.expires.IsZero() {
		err = errors.New("token has no expiry")
	}
	return err
}

// readIssued: OpenID Connect Core section 2 requires it, and not_before needs it.
func (t *token) readIssued() (err error) {
	if t.issued, err = t.claims.moment("iat"); err == nil && t.issued.IsZero() {
		err = errors.New("token has no issue time")
	}
	return err
}

func (t *token) readNotBefore() (err error) {
	t.notBefore, err = t.claims.moment("nbf")
	return err
}

func (t *token) readParty() (err error) {
	t.party, err = t.claims.text("azp")
	return err
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
	case t.expired(now):
		return end, errors.New("token expired")
	case !now.Before(end):
		return end, errors.New("token too old")
	case t.early(now, skew):
		return end, errors.New("token not valid yet")
	case t.ahead(now, skew):
		return end, errors.New("token issued in the future")
	}
	return end, nil
}

func (t *token) expired(now time.Time) bool { return !now.Before(t.expires) }

func (t *token) early(now time.Time, skew time.Duration) bool {
	return t.notBefore.After(now.Add(skew))
}

func (t *token) ahead(now time.Time, skew time.Duration) bool { return t.issued.After(now.Add(skew)) }

// tokenKey names a token for good. It is taken over what is signed, not over the
// whole text: an ECDSA signature has a second valid form, and whoever was refused
// one must not come back with the other.
type tokenKey [sha256.Size]byte

func (t *token) key() tokenKey {
	return sha256.Sum256([]byte(t.raw[:strings.LastIndexByte(t.raw, '.')]))
}
