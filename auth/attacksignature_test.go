package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A signature of another token, of another key, or none. RFC 7515 section 5.2, RFC 8725
// section 3.3 (all cryptographic operations are validated), CVE-2020-28042 (empty).
func TestAttack_ForgedSignature(t *testing.T) {
	t.Parallel()
	refuseAll(t, badSignatures())
}

// byKey signs good claims of alice by each kind of key.
func byKey(name, kid string) func(*issuer) string {
	header := map[string]string{"rsa": "RS256", "rsa2": "RS256", "ec": "ES256", "ec2": "ES256", "ed": "EdDSA"}[name]
	return func(i *issuer) string {
		_, payload := splitToken(i.token("alice"))
		return signText(i.t, name, `{"alg":"`+header+`"`+kid+`}`, payload)
	}
}

func badSignatures() []broken {
	const bad = "bad signature"
	list := []broken{
		{"stranger's RSA key, published kid", "RFC 7515 5.2", byKey("rsa2", `,"kid":"rsa"`), bad},
		{"stranger's EC key, published kid", "RFC 7515 5.2", byKey("ec2", `,"kid":"ec"`), bad},
		{"stranger's EC key, no kid", "all keys are tried", byKey("ec2", ""), bad},
		{"stranger's RSA key, no kid", "all keys are tried", byKey("rsa2", ""), bad},
		{"stranger's EC key, kid null", "all keys are tried", byKey("ec2", `,"kid":null`), bad},
		{"stranger's EC key, empty kid", "all keys are tried", byKey("ec2", `,"kid":""`), bad},
		{"stranger's EC key, its own kid", "not there after a fetch", byKey("ec2", `,"kid":"ec2"`), "unknown key"},
		{"payload exchanged", "RFC 7515 5.2", func(i *issuer) string {
			a, b := strings.Split(i.token("alice"), "."), strings.Split(i.token("bob"), ".")
			return b[0] + "." + a[1] + "." + b[2]
		}, bad},
		{"header exchanged", "RFC 7515 5.2", func(i *issuer) string {
			tok := strings.Split(i.token("alice"), ".")
			return base64.RawURLEncoding.EncodeToString([]byte(goodHeader)) + "." + tok[1] + "." + tok[2]
		}, bad},
		{"payload edited", "RFC 7515 5.2", func(i *issuer) string {
			tok := strings.Split(i.token("alicf"), ".")
			_, payload := splitToken(strings.Join(tok, "."))
			return tok[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(payload, "alicf", "alice", 1))) + "." + tok[2]
		}, bad},
		{"parts in another order", "RFC 7515 7.1", func(i *issuer) string {
			tok := strings.Split(i.token("alice"), ".")
			return tok[1] + "." + tok[0] + "." + tok[2]
		}, "signature algorithm not accepted"},
	}
	for _, key := range []string{"rsa", "ec", "ed"} {
		tok := byKey(key, `,"kid":"`+key+`"`)
		list = append(list,
			broken{key + ": no signature", "CVE-2020-28042", func(i *issuer) string {
				return withSignature(tok(i), func([]byte) []byte { return nil })
			}, "malformed token"},
			broken{key + ": a bit flipped", "RFC 7515 5.2", func(i *issuer) string {
				return withSignature(tok(i), func(s []byte) []byte { s[len(s)/2] ^= 1; return s })
			}, bad},
		)
	}
	return list
}

// "Psychic signatures": r or s is zero, or what is zero modulo the order, and every
// equation holds. CVE-2022-21449; FIPS 186-5 section 6.4.2 asks for 1 to n-1.
func TestAttack_ZeroSignature(t *testing.T) {
	t.Parallel()
	refuseAll(t, zeroSignatures())
}

func zeroSignatures() []broken {
	n := elliptic.P256().Params().N
	p := elliptic.P256().Params().P
	zero, one := new(big.Int), big.NewInt(1)
	top := new(big.Int).Sub(new(big.Int).Lsh(one, 256), one)
	var list []broken
	for name, pair := range map[string][2]*big.Int{
		"r and s zero": {zero, zero}, "r zero": {zero, one}, "s zero": {one, zero}, "r and s one": {one, one}, "r and s the order": {n, n},
		"r the order": {n, one}, "s the order": {one, n}, "r and s over the order": {new(big.Int).Add(n, one), new(big.Int).Add(n, one)},
		"r the field's prime": {p, one}, "all bits": {top, top},
	} {
		for _, kid := range []string{`,"kid":"ec"`, ""} {
			list = append(list, broken{"ES256, " + name + kid, "CVE-2022-21449", func(i *issuer) string {
				return withSignature(byKey("ec", kid)(i), func(s []byte) []byte {
					pair[0].FillBytes(s[:32])
					pair[1].FillBytes(s[32:])
					return s
				})
			}, "bad signature"})
		}
	}
	for _, key := range []string{"rsa", "ed"} {
		for _, fill := range []byte{0, 1, 0xff} {
			list = append(list, broken{key + " of one byte's repetition", "the same for other kinds", func(i *issuer) string {
				return withSignature(byKey(key, `,"kid":"`+key+`"`)(i), func(s []byte) []byte { return slices.Repeat([]byte{fill}, len(s)) })
			}, "bad signature"})
		}
	}
	return list
}

// The right numbers in another form: DER instead of raw (RFC 7518 section 3.4), cut off,
// extended, or with leading zeros; the second Ed25519 form S+L (RFC 8032 section 5.1.7).
func TestAttack_SignatureInAnotherForm(t *testing.T) {
	t.Parallel()
	refuseAll(t, reshapedSignatures())
}

func reshapedSignatures() []broken {
	list := []broken{{"ES256 in DER", "RFC 7518 3.4: raw r and s", func(i *issuer) string {
		return withSignature(i.token("alice"), func(s []byte) []byte {
			der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:])})
			require.NoError(i.t, err)
			return der
		})
	}, "bad signature"}, {"ES256 with r and s exchanged", "RFC 7518 3.4", func(i *issuer) string {
		return withSignature(i.token("alice"), func(s []byte) []byte { return slices.Concat(s[32:], s[:32]) })
	}, "bad signature"}, {"Ed25519 with S+L", "RFC 8032 5.1.7", func(i *issuer) string {
		return withSignature(byKey("ed", `,"kid":"ed"`)(i), secondEd25519Form)
	}, "bad signature"}}
	changes := map[string]func([]byte) []byte{
		"without the last byte":  func(s []byte) []byte { return s[:len(s)-1] },
		"without the first byte": func(s []byte) []byte { return s[1:] },
		"half of it":             func(s []byte) []byte { return s[:len(s)/2] },
		"one byte":               func(s []byte) []byte { return s[:1] },
		"a zero before":          func(s []byte) []byte { return append([]byte{0}, s...) },
		"a zero after":           func(s []byte) []byte { return append(s, 0) },
		"a byte after":           func(s []byte) []byte { return append(s, 0x80) },
		"twice":                  func(s []byte) []byte { return slices.Concat(s, s) },
		"as wide as another hash": func(s []byte) []byte {
			return slices.Concat(make([]byte, 16), s[:len(s)/2], make([]byte, 16), s[len(s)/2:])
		},
	}
	for name, change := range changes {
		for _, key := range []string{"rsa", "ec", "ed"} {
			list = append(list, broken{key + " " + name, "RFC 7515 5.2", func(i *issuer) string {
				return withSignature(byKey(key, `,"kid":"`+key+`"`)(i), change)
			}, "bad signature"})
		}
	}
	return list
}

// secondEd25519Form adds the group's order to S, which fits for most signatures.
func secondEd25519Form(s []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	half := slices.Clone(s[32:])
	slices.Reverse(half)
	sum := new(big.Int).Add(new(big.Int).SetBytes(half), order)
	sum.FillBytes(half)
	slices.Reverse(half)
	return slices.Concat(s[:32], half)
}

// The same bytes in another spelling: whoever was refused one text must not come back with
// another, and no cache must be filled by them. RFC 7515 section 2 (base64url without
// padding, white space or other characters), RFC 4648 section 3.5 (spare bits are zero).
func TestAttack_TokenInAnotherSpelling(t *testing.T) {
	t.Parallel()
	refuseAll(t, respelledSignatures())
}

func respelledSignatures() []broken {
	const malformed = "malformed token"
	list := []broken{
		{"padded", "RFC 7515 2", func(i *issuer) string { return i.token("alice") + "==" }, malformed},
		{"padded once", "RFC 7515 2", func(i *issuer) string { return i.token("alice") + "=" }, malformed},
		{"spare bits", "RFC 4648 3.5", respelled, malformed},
		{"the other alphabet", "RFC 4648 5", func(i *issuer) string {
			tok := i.token("alice")
			for !strings.ContainsAny(tok, "-_") {
				tok = i.token("alice")
			}
			return strings.NewReplacer("-", "+", "_", "/").Replace(tok)
		}, malformed},
		{"header padded", "RFC 7515 2", func(i *issuer) string {
			_, payload := splitToken(i.token("alice"))
			header := base64.URLEncoding.EncodeToString([]byte(goodHeader))
			input := header + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
			return input + "." + base64.RawURLEncoding.EncodeToString(signInput(i.t, testKeys()["ec"], input))
		}, malformed},
	}
	for name, space := range map[string]string{"space": " ", "line feed": "\n", "carriage return": "\r", "both": "\r\n", "tab": "\t", "NUL": "\x00", "no-break space": "\u00a0", "zero width": "\u200b"} {
		list = append(list,
			broken{name + " in the signature", "Go's decoder skips line breaks", func(i *issuer) string {
				tok := i.token("alice")
				return tok[:len(tok)-4] + space + tok[len(tok)-4:]
			}, malformed},
			broken{name + " in the header", "Go's decoder skips line breaks", func(i *issuer) string {
				tok := i.token("alice")
				return tok[:4] + space + tok[4:]
			}, malformed},
			broken{name + " at the dot", "Go's decoder skips line breaks", func(i *issuer) string {
				return strings.Replace(i.token("alice"), ".", space+".", 1)
			}, malformed},
		)
	}
	return list
}

// respelled has the same bytes by another last letter of the signature.
func respelled(i *issuer) string {
	tok := i.token("alice")
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, tok[len(tok)-1])
	return tok[:len(tok)-1] + string(letters[last^1])
}

// An ECDSA signature (r, s) has a second form (r, n-s), which anybody can make and which is
// as valid: RFC 7518 section 3.4 does not forbid it (BIP 146 does, for this reason). So
// nothing may hang on a token's text: a token that was refused stays refused in its other form.
func TestAttack_SignatureMalleability(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const name = "idp.example.com_alice"
	tok := w.issuer.token("alice", map[string]any{"jti": "stolen"})
	other := otherSignature(t, tok)
	require.NotEqual(t, tok, other)
	require.Equal(t, name, w.in(bearer(other)).Name, "valid, and the same token")
	w.signIn(tok)
	list, err := w.state.Sessions(t.Context(), notes.ID, name)
	require.NoError(t, err)
	require.NoError(t, w.state.EndSession(t.Context(), notes.ID, name, list[0].Handle))
	for _, form := range []string{tok, other, otherSignature(t, other)} {
		require.Equal(t, "Invalid login: token revoked", w.out(bearer(form)).Reason)
	}
	w.in(bearer(w.issuer.token("alice", map[string]any{"jti": "fresh"})))
}

// The messages about bad signatures are all the same, and none tells what the right one is
// (CVE-2019-7644).
func TestAttack_RefusalsTellNothingAboutTheSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		public, ok := testKeys()["ec"].Public().(*ecdsa.PublicKey)
		require.True(t, ok)
		require.Equal(t, elliptic.P256(), public.Curve)
		for _, b := range slices.Concat(zeroSignatures(), reshapedSignatures()) {
			e := w.out(bearer(b.token(w.issuer)))
			require.Equal(t, "Invalid login: bad signature", e.Reason, b.name)
			require.NotContains(t, e.Detail, base64.RawURLEncoding.EncodeToString([]byte("alice"))[:5])
			time.Sleep(kidInterval) // where the token names no key
		}
	})
}
