package auth

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// A token that brings the key it is signed with. RFC 7515 section 4.1.3; CVE-2018-0114.
func TestAttack_EmbeddedKey(t *testing.T) {
	t.Parallel()
	refuseAll(t, embeddedKeys())
}

func rogueJWK(kid string) string {
	text, _ := json.Marshal(jose.JSONWebKey{Key: testKeys()["ec2"].Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"})
	return string(text)
}

// rogue signs good claims of alice by a key that the provider never had.
func rogue(header string) func(*issuer) string {
	return func(i *issuer) string {
		_, payload := splitToken(i.token("alice"))
		return signText(i.t, "ec2", header, payload)
	}
}

func embeddedKeys() []broken {
	const malformed = "malformed token"
	return []broken{
		{"with the published kid", "CVE-2018-0114", rogue(`{"alg":"ES256","kid":"ec","jwk":` + rogueJWK("ec") + `}`), malformed},
		{"with a kid of its own", "CVE-2018-0114", rogue(`{"alg":"ES256","kid":"mine","jwk":` + rogueJWK("mine") + `}`), malformed},
		{"without kid", "CVE-2018-0114", rogue(`{"alg":"ES256","jwk":` + rogueJWK("") + `}`), malformed},
		{"name escaped", "two spellings of a name", rogue(`{"alg":"ES256","kid":"ec","j\u0077k":` + rogueJWK("ec") + `}`), malformed},
		{"null", "nothing of the kind is read", withHeaderText(`{"alg":"ES256","kid":"ec","jwk":null}`), malformed},
		{"the provider's own", "nothing of the kind is read", withHeaderText(`{"alg":"ES256","kid":"ec","jwk":{}}`), malformed},
	}
}

// A token that says where its key is to be fetched. RFC 8725 section 3.10 (server-side
// request forgery), RFC 7515 sections 4.1.2 and 4.1.5. refuseAll sees to it that nobody
// but the provider is asked.
func TestAttack_KeyByReference(t *testing.T) {
	t.Parallel()
	refuseAll(t, referredKeys())
}

func referredKeys() []broken {
	var list []broken
	for _, member := range []string{"jku", "x5u"} {
		for _, address := range []string{
			"https://evil.example.com/keys", "https://idp.example.com.evil.example.com/keys", "https://idp.example.com@evil.example.com/",
			"http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "//evil.example.com/keys",
		} {
			list = append(list,
				broken{member + " " + address, "RFC 8725 3.10", rogue(fmt.Sprintf(`{"alg":"ES256","kid":"ec",%q:%q}`, member, address)), "bad signature"},
				broken{member + " " + address + ", without kid", "RFC 8725 3.10", rogue(fmt.Sprintf(`{"alg":"ES256",%q:%q}`, member, address)), "bad signature"},
			)
		}
	}
	for name, chain := range rogueChains() {
		list = append(list,
			broken{"x5c " + name, "RFC 7515 4.1.6", rogue(`{"alg":"ES256","kid":"ec","x5c":` + chain.header + `}`), chain.says},
			broken{"x5c " + name + ", without kid", "RFC 7515 4.1.6", rogue(`{"alg":"ES256","x5c":` + chain.header + `}`), chain.says},
		)
	}
	return list
}

type rogueChain struct{ header, says string }

// rogueChains are certificate chains as a header may carry them: what certifies itself, and
// what is none at all.
func rogueChains() map[string]rogueChain {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"idp.example.com"}, IsCA: true, BasicConstraintsValid: true}
	key := testKeys()["ec2"]
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	text := base64.StdEncoding.EncodeToString(der)
	return map[string]rogueChain{
		"self-signed":      {`["` + text + `"]`, "bad signature"},
		"twice":            {`["` + text + `","` + text + `"]`, "bad signature"},
		"cut off":          {`["` + text[:200] + `"]`, "token refused"},
		"no certificate":   {`["AAAA"]`, "token refused"},
		"empty":            {`[]`, "bad signature"},
		"not an array":     {`"` + text + `"`, "token refused"},
		"with a line feed": {`["\n"]`, "token refused"},
	}
}

// A key ID that a careless server would use as a path, a query or a command. RFC 8725
// section 3.10. Ours is compared with the published ones and is in no other place.
func TestAttack_KeyIDAsPathOrQuery(t *testing.T) {
	t.Parallel()
	refuseAll(t, strangeKeyIDs())
}

func strangeKeyIDs() []broken {
	var list []broken
	for _, kid := range []string{
		"../../../../dev/null", "/dev/null", "file:///dev/null", "https://evil.example.com/keys", "x' UNION SELECT 'secret' --",
		`ec' OR '1'='1`, "ec;sleep 10", "|id", "$(id)", "*)(uid=*", "ec\\u0000", "ec ", " ec", "EC", "ес", "%65c", "ec/../ec", strings.Repeat("k", 8000),
	} {
		list = append(list,
			broken{"rogue key " + cut(kid, 40), "RFC 8725 3.10", rogue(`{"alg":"ES256","kid":"` + strings.ReplaceAll(kid, `\\`, `\`) + `"}`), "unknown key"},
			broken{"good key " + cut(kid, 40), "the kid is exact", withHeaderText(`{"alg":"ES256","kid":"` + strings.ReplaceAll(kid, `\\`, `\`) + `"}`), "unknown key"},
		)
	}
	return list
}

// Extensions that must be understood. RFC 7515 section 4.1.11, RFC 7797 (b64 changes what
// is signed). None is supported, so each is refused, also where it is malformed.
func TestAttack_CriticalHeaders(t *testing.T) {
	t.Parallel()
	refuseAll(t, criticalHeaders())
}

func criticalHeaders() []broken {
	const malformed = "malformed token"
	var list []broken
	for _, more := range []string{
		`"crit":["exp"],"exp":4000000000`, `"crit":["http://example.com/x"],"http://example.com/x":true`, `"crit":[]`, `"crit":null`,
		`"crit":"exp"`, `"crit":["alg"]`, `"crit":["kid","kid"]`, `"crit":["missing"]`, `"crit":{"b64":false}`, `"cri\u0074":["exp"]`,
		`"b64":false,"crit":["b64"]`, `"b64":true,"crit":["b64"]`, `"b64":false`, `"b64":true`, `"b64":"false"`, `"b64":null`, `"b64":0`,
	} {
		list = append(list, broken{more, "RFC 7515 4.1.11, RFC 7797 6", withHeaderText(`{"alg":"ES256","kid":"ec",` + more + `}`), malformed})
	}
	return append(list, broken{"payload as it is", "RFC 7797 5.2", func(i *issuer) string {
		_, payload := splitToken(i.token("alice"))
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"ec","b64":false,"crit":["b64"]}`))
		payload = strings.ReplaceAll(payload, ".", "")
		input := header + "." + payload
		return input + "." + base64.RawURLEncoding.EncodeToString(signInput(i.t, testKeys()["ec"], input))
	}, malformed})
}

// A member twice: the one who checks reads the first, the one who acts the last. RFC 7519
// section 4, RFC 8725 section 2.4 (JSON's ambiguities), Bishop Fox, "An Exploration of JSON
// Interoperability Vulnerabilities" (2021).
func TestAttack_DuplicateMembers(t *testing.T) {
	t.Parallel()
	refuseAll(t, duplicateMembers())
}

func duplicateMembers() []broken {
	const malformed = "malformed token"
	var list []broken
	for _, header := range []string{
		`{"alg":"none","alg":"ES256","kid":"ec"}`, `{"alg":"ES256","kid":"ec","kid":"ec2"}`, `{"alg":"ES256","kid":"ec","\u006bid":"ec"}`,
		`{"alg":"ES256","kid":"ec","typ":"at+jwt","typ":"JWT"}`, `{"alg":"ES256","kid":"ec","x":{"a":1,"a":1}}`,
	} {
		list = append(list, broken{"header " + header, "RFC 7515 4", withHeaderText(header), malformed})
	}
	for _, more := range []string{
		`"sub":"alice","sub":"bob"`, `"sub":"bob","\u0073ub":"alice"`, `"sub":"alice","iss":"https://evil.example.com"`, `"sub":"alice","aud":"app"`,
		`"sub":"alice","exp":1`, `"sub":"alice","roles":["a"],"roles":["b"]`, `"sub":"alice","a":{"b":[{"c":1,"c":2}]}`, `"sub":"alice","":1,"":2`,
	} {
		list = append(list, broken{"payload " + more, "RFC 7519 4", withPayloadText(`{"iss":"{iss}",{good},` + more + `}`), malformed})
	}
	return list
}

// Header members of other types than they should have. RFC 8725 section 3.1 presumes that
// both sides read the same; CVE-2023-51774 came of members read before they were checked.
func TestAttack_TypeConfusionInTheHeader(t *testing.T) {
	t.Parallel()
	refuseAll(t, confusedHeaders())
}

// oddValues are a value of each type that a claim or header member can be confused with.
var oddValues = []string{"1", "-1", "0", "1e3", "-1.5e308", "1e400", "9223372036854775808", "[]", `["x"]`, `[["x"]]`, "{}", `{"x":1}`, "true", "false"}

func confusedHeaders() []broken {
	var list []broken
	for _, member := range []string{"alg", "kid", "typ"} {
		for _, value := range oddValues {
			header := map[string]string{"alg": `"ES256"`, "kid": `"ec"`, "typ": `"JWT"`}
			header[member] = value
			text := fmt.Sprintf(`{"alg":%s,"kid":%s,"typ":%s}`, header["alg"], header["kid"], header["typ"])
			list = append(list, broken{text, "type confusion", withHeaderText(text), "malformed token"})
		}
	}
	for _, header := range []string{"[]", `["alg"]`, `"ES256"`, "null", "1", "true", "", " ", `{"alg":"ES256","kid":"ec"`, goodHeader + goodHeader, goodHeader + "x", "\xef\xbb\xbf" + goodHeader} {
		list = append(list, broken{"header is " + header, "RFC 7515 4: a JSON object", withHeaderText(header), "malformed token"})
	}
	return list
}

// Tokens that the provider signed for something else. RFC 8725 sections 2.8, 3.11 and 3.12;
// RFC 9068 section 4; OpenID Connect Back-Channel Logout section 2.4; RFC 8417; DECISIONS 4.
func TestAttack_OtherKindsOfTokens(t *testing.T) {
	t.Parallel()
	refuseAll(t, otherKindsOfTokens())
}

func otherKindsOfTokens() []broken {
	const kind = "not an ID token"
	var list []broken
	for _, typ := range []string{
		"at+jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "application/logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt",
		"token-introspection+jwt", "client-authentication+jwt", "entity-statement+jwt", "kb+jwt", "dc+sd-jwt", "JOSE", "JOSE+JSON", "x", " ", "JWT ", "application/application/jwt",
	} {
		list = append(list, broken{"typ " + typ, "RFC 8725 3.11", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "typ": typ}), kind})
	}
	for _, events := range []any{
		map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, map[string]any{}, nil, []string{}, "x", false,
	} {
		list = append(list, broken{fmt.Sprintf("events %v", events), "DECISIONS 4: a logout token", withClaim("events", events), kind})
	}
	return list
}

// Members of a header that are not read do no harm either way: providers send them.
func TestAttack_ReferencesOfGoodTokensAreNotFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, more := range []string{
		`"jku":"https://evil.example.com/keys"`, `"x5u":"https://evil.example.com/cert"`, `"x5t":"AAAA"`, `"x5t#S256":"AAAA"`, `"nonce":"x"`,
		`"cty":"JWT"`, `"zip":"DEF"`, `"x5c":` + rogueChains()["self-signed"].header,
	} {
		p := w.in(bearer(withHeaderText(`{"alg":"ES256","kid":"ec",` + more + `}`)(w.issuer)))
		require.Equal(t, "alice", p.Subject, more)
	}
	require.Zero(t, w.issuer.strays.Load())
	require.EqualValues(t, 1, w.issuer.fetches.Load())
	require.Equal(t, http.StatusUnauthorized, w.out(bearer(rogue(`{"alg":"ES256","kid":"ec"}`)(w.issuer))).Status)
}
