package auth

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// A token within a token, or encrypted, or compressed: each a way past a check, or a bomb.
// RFC 7519 section 5.2, RFC 7516, RFC 8725 sections 2.3 and 3.6 (no compression before
// encryption), CVE-2024-28180 and CVE-2024-33664 (decompression), CVE-2023-51774 (a JWE
// taken for a JWS), CVE-2022-36083 (PBES2 with a million rounds).
func TestAttack_NestedEncryptedAndCompressedTokens(t *testing.T) {
	t.Parallel()
	refuseAll(t, wrappedTokens())
}

func wrappedTokens() []broken {
	const malformed, encrypted, refused = "malformed token", "encrypted tokens are not accepted", "signature algorithm not accepted"
	return []broken{
		{"nested", "RFC 7519 5.2", func(i *issuer) string {
			return signText(i.t, "ec", `{"alg":"ES256","kid":"ec","cty":"JWT"}`, i.token("alice"))
		}, malformed},
		{"nested without cty", "RFC 7519 5.2", func(i *issuer) string { return signText(i.t, "ec", goodHeader, i.token("alice")) }, malformed},
		{"nested in JSON", "RFC 7519 5.2", func(i *issuer) string { return signText(i.t, "ec", goodHeader, `"`+i.token("alice")+`"`) }, malformed},
		{"unsigned within signed by a stranger", "RFC 7519 5.2", func(i *issuer) string {
			return signText(i.t, "ec2", `{"alg":"ES256","kid":"ec","cty":"JWT"}`, i.token("alice"))
		}, malformed},
		{"encrypted to the published key", "anybody can do that: CVE-2023-51774", encryptedToken, encrypted},
		{"five parts", "RFC 7516 7.1", text("a.b.c.d.e"), encrypted},
		{"enc in a signed token", "CVE-2023-51774", withHeaderText(`{"alg":"ES256","kid":"ec","enc":"A128GCM"}`), malformed},
		{"dir in three parts", "CVE-2023-51774", withHeaderText(`{"alg":"dir","enc":"A128GCM"}`), refused},
		{"PBES2 with a million rounds", "CVE-2022-36083", withHeaderText(`{"alg":"PBES2-HS512+A256KW","enc":"A128GCM","p2c":1000000000,"p2s":"AA"}`), refused},
		{"compressed payload", "RFC 8725 3.6", func(i *issuer) string {
			_, payload := splitToken(i.token("alice"))
			return signText(i.t, "ec", `{"alg":"ES256","kid":"ec","zip":"DEF"}`, deflated(payload))
		}, malformed},
		{"compressed gigabyte", "CVE-2024-28180", func(i *issuer) string {
			return signText(i.t, "ec", `{"alg":"ES256","kid":"ec","zip":"DEF"}`, deflated(strings.Repeat(" ", 8<<20)))
		}, malformed},
	}
}

func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// encryptedToken encrypts an unsigned token of alice to the provider's public key.
func encryptedToken(i *issuer) string {
	public, _ := testKeys()["ec"].Public().(*ecdsa.PublicKey)
	e, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.ECDH_ES, Key: public, KeyID: "ec"}, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	require.NoError(i.t, err)
	_, payload := splitToken(i.token("alice"))
	jwe, err := e.Encrypt([]byte(payload))
	require.NoError(i.t, err)
	compact, err := jwe.CompactSerialize()
	require.NoError(i.t, err)
	return compact
}

// What is no compact token of three parts. RFC 7515 section 7.1, RFC 7519 section 7.2,
// CVE-2022-39227 (JSON and compact form in one), RFC 8259 section 8.1.
func TestAttack_MalformedTokens(t *testing.T) {
	t.Parallel()
	refuseAll(t, malformedTokens())
}

func malformedTokens() []broken {
	const malformed = "malformed token"
	deep := `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}"
	return []broken{
		{"empty", "RFC 6750 2.1", text(""), malformed},
		{"garbage", "RFC 7519 7.2", text("abc.def.ghi"), malformed},
		{"two parts", "RFC 7515 7.1", text("abc.def"), malformed},
		{"four parts", "RFC 7515 7.1", text("a.b.c.d"), malformed},
		{"six parts", "RFC 7515 7.1", text("a.b.c.d.e.f"), malformed},
		{"only dots", "CVE-2025-27144", text(strings.Repeat(".", 10_000)), malformed},
		{"JSON form", "RFC 7515 7.2", jsonForm, malformed},
		{"JSON and compact form in one", "CVE-2022-39227", func(i *issuer) string {
			tok := strings.Split(i.token("alice"), ".")
			return `{"` + tok[0] + `.` + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin"}`)) + `.":"","protected":"` + tok[0] + `","payload":"` + tok[1] + `","signature":"` + tok[2] + `"}`
		}, malformed},
		{"a token twice", "one token", func(i *issuer) string { return i.token("alice") + " " + i.token("alice") }, "encrypted tokens are not accepted"},
		{"a token and a comma", "RFC 9110 5.3: a list", func(i *issuer) string { return i.token("alice") + ", Bearer " + i.token("bob") }, "encrypted tokens are not accepted"},
		{"payload is no JSON", "RFC 7519 7.2", withPayloadText("x"), malformed},
		{"payload is empty", "RFC 7519 7.2", withPayloadText(""), malformed},
		{"payload is an array", "RFC 7519 7.2", withPayloadText(`[{"iss":"{iss}","sub":"alice",{good}}]`), malformed},
		{"text after payload", "RFC 8259 2", withPayloadText(`{"iss":"{iss}","sub":"alice",{good}} {}`), malformed},
		{"comment in payload", "RFC 8259 2", withPayloadText(`{"iss":"{iss}",/*"sub":"bob",*/"sub":"alice",{good}}`), malformed},
		{"payload in UTF-16", "RFC 8259 8.1", withPayloadText("\xff\xfe{\x00}\x00"), malformed},
		{"byte order mark", "RFC 8259 8.1", withPayloadText("\xef\xbb\xbf" + `{"iss":"{iss}","sub":"alice",{good}}`), malformed},
		{"invalid UTF-8", "RFC 8259 8.1", withPayloadText("{\"iss\":\"{iss}\",\"sub\":\"alice\xff\",{good}}"), malformed},
		{"NaN", "RFC 8259 6", withPayloadText(`{"iss":"{iss}","sub":"alice","aud":"app","iat":1,"exp":NaN}`), malformed},
		{"single quotes", "RFC 8259 7", withPayloadText(`{'iss':'{iss}','sub':'alice',{good}}`), malformed},
		{"nested too deep", "bounded work: CWE-674", withPayloadText(deep), malformed},
		{"header nested too deep", "bounded work: CWE-674", withHeaderText(`{"alg":"ES256","kid":"ec","x":` + deep + `}`), malformed},
	}
}

func jsonForm(i *issuer) string {
	tok := strings.Split(i.token("alice"), ".")
	return `{"payload":"` + tok[1] + `","protected":"` + tok[0] + `","signature":"` + tok[2] + `"}`
}

// A token that is worth nothing must cost nothing. RFC 8725 section 3.10 (validate all
// input), CWE-400.
func TestAttack_OversizedTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.issuer.token("alice")
	room := maxToken - len(good)
	w.in(bearer(w.issuer.token("alice", map[string]any{"pad": strings.Repeat("x", room/2)})))
	for _, tok := range []string{
		w.issuer.token("alice", map[string]any{"pad": strings.Repeat("x", maxToken)}),
		good + strings.Repeat("A", room+1),
		strings.Repeat(".", 1<<20),
		strings.Repeat("x", 8<<20),
		strings.Repeat("eyJhbGciOiJub25lIn0.", 1<<16),
	} {
		e := w.out(bearer(tok))
		require.Equal(t, http.StatusUnauthorized, e.Status)
		require.Equal(t, "Invalid login: token too long", e.Reason)
	}
	require.EqualValues(t, 1, w.issuer.fetches.Load())
	require.Equal(t, 1, w.service.digests.len(), "what is refused is not kept")
}

// Memory for each dot of what is no token: CVE-2025-27144, CVE-2025-30204. Not parallel,
// because it counts allocations.
func TestAttack_TokenOfManyDots(t *testing.T) {
	dots := strings.Repeat(".", maxToken)
	require.Less(t, testing.AllocsPerRun(10, func() { _, _ = peek(dots) }), 10.0)
}
