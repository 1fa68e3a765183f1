package auth

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Tokens before, after and beyond their time. RFC 7519 sections 4.1.4 to 4.1.6, OpenID
// Connect Core section 3.1.3.7 (9, 10); DECISIONS 5: exp has no leeway.
func TestAttack_UntimelyTokens(t *testing.T) {
	t.Parallel()
	refuseAll(t, untimelyTokens())
}

func untimelyTokens() []broken {
	now := time.Now()
	list := []broken{
		{"expired", "F25", withClaim("exp", now.Add(-2*time.Minute).Unix()), "token expired"},
		{"expired by a second", "DECISIONS 5: no leeway", withClaim("exp", now.Add(-time.Second).Unix()), "token expired"},
		{"expired in 1970", "exp 0 is a time", withClaim("exp", 0), "token expired"},
		{"no exp", "OpenID Connect Core 2", withClaim("exp", absent), "token has no expiry"},
		{"nbf in 10 minutes", "F29", withClaim("nbf", now.Add(10*time.Minute).Unix()), "token not valid yet"},
		{"nbf in 4 minutes", "skew is 30 s", withClaim("nbf", now.Add(4*time.Minute).Unix()), "token not valid yet"},
		{"nbf after exp", "RFC 7519 4.1.5", withClaim("nbf", now.Add(48*time.Hour).Unix()), "token not valid yet"},
		{"iat in an hour", "made up: not_before would never reach it", withClaim("iat", now.Add(time.Hour).Unix()), "token issued in the future"},
		{"iat in the year 2286", "the same", withClaim("iat", 9999999999), "token issued in the future"},
		{"no iat", "OpenID Connect Core 2; not_before needs it", withClaim("iat", absent), "token has no issue time"},
	}
	// Numbers that overflow or are cut somewhere: a huge exp must not wrap round, a tiny
	// one not become zero, "no expiry".
	for value, says := range map[string]string{
		"-1": "claim exp is not a time", "-1e300": "claim exp is not a time", "1e400": "claim exp is not a time", "1e300": "claim exp is not a time",
		"9007199254740996": "claim exp is not a time", "18446744073709551616": "claim exp is not a time",
		"-9223372036854775808": "claim exp is not a time", "1" + strings.Repeat("0", 5000): "claim exp is not a time",
		"1e-400": "token expired", "-0": "token expired", "0.0": "token expired", "1.7e9": "token expired", "17000000000e-1": "token expired", "25340230080e-2": "token expired",
	} {
		list = append(list, broken{"exp " + cut(value, 30), "NumericDate: RFC 7519 2", withPayloadText(`{"iss":"{iss}","aud":"app","sub":"alice","iat":1,"exp":` + value + `}`), says})
	}
	return list
}

// A token's windows, to the second.
func TestAttack_WindowsOfATokenAreExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now().Unix()
		tok := bearer(w.issuer.token("alice", map[string]any{"nbf": now + 60, "exp": now + 120}))
		time.Sleep(29 * time.Second)
		require.Equal(t, "Invalid login: token not valid yet", w.out(tok).Reason)
		time.Sleep(time.Second)
		w.in(tok)
		time.Sleep(90*time.Second - time.Millisecond)
		w.in(tok)
		time.Sleep(time.Millisecond)
		require.Equal(t, "Invalid login: token expired", w.out(tok).Reason, "known by its digest or not")
		exact := bearer(w.issuer.token("alice", map[string]any{"exp": time.Now().Unix()}))
		require.Equal(t, "Invalid login: token expired", w.out(exact).Reason)
	})
}

// Tokens for others. RFC 8725 section 3.9, OpenID Connect Core section 3.1.3.7 (3 to 5);
// CVE-2020-26160 (an array of audiences passed for none).
func TestAttack_AudienceArrays(t *testing.T) {
	t.Parallel()
	refuseAll(t, strangeAudiences())
}

func strangeAudiences() []broken {
	const wrong, none, kind = "wrong audience", "token has no audience", "claim aud is not a string or an array of strings"
	list := []broken{
		{"none", "F26", withClaim("aud", absent), none},
		{"null", "F26", withClaim("aud", nil), none},
		{"empty array", "CVE-2020-26160", withClaim("aud", []string{}), none},
		{"another", "F26", withClaim("aud", "other"), wrong},
		{"others", "F26", withClaim("aud", []string{"other", "another"}), wrong},
		{"empty", "exact comparison", withClaim("aud", ""), wrong},
		{"empties", "CVE-2020-26160", withClaim("aud", []string{"", ""}), wrong},
	}
	for _, a := range []string{"APP", "App", "app ", " app", "app,other", "app other", "app/", "ap", "apps", "a%70p", "*", "app\x00", "аpp", `["app"]`} {
		list = append(list, broken{fmt.Sprintf("%q", a), "exact comparison", withClaim("aud", a), wrong})
		list = append(list, broken{fmt.Sprintf("[%q]", a), "exact comparison", withClaim("aud", []string{a}), wrong})
	}
	for _, a := range []any{
		7, true, map[string]any{"app": true}, map[string]any{}, []any{"app", 1}, []any{1, "app"}, []any{[]string{"app"}}, []any{nil, "app"}, []any{map[string]any{"app": 1}, "app"},
	} {
		list = append(list, broken{fmt.Sprintf("%v", a), "type confusion", withClaim("aud", a), kind})
	}
	return list
}

// An issuer that looks like ours. RFC 8725 section 3.8, OpenID Connect Core section
// 3.1.3.7 (2): compared byte for byte, never as a URL (RFC 3986 section 6.2.1).
func TestAttack_LookAlikeIssuers(t *testing.T) {
	t.Parallel()
	refuseAll(t, lookAlikeIssuers())
}

func lookAlikeIssuers() []broken {
	list := []broken{
		{"none", "F28", withClaim("iss", absent), "token has no issuer"},
		{"empty", "F28", withClaim("iss", ""), "token has no issuer"},
	}
	for _, issuer := range []string{
		"https://evil.example.com", "https://idp.example.com/", "https://idp.example.com//", "https://IDP.example.com", "HTTPS://idp.example.com",
		"http://idp.example.com", "idp.example.com", "//idp.example.com", "https://idp.example.com:443", "https://idp.example.com.", "https://idp.example.com?",
		"https://idp.example.com#", "https://idp.example.com/.", "https://idp%2Eexample.com", "https://x@idp.example.com", "https://idp.example.com.evil.com",
		"https://idp.example.com@evil.com", "https://evil.com/https://idp.example.com", " https://idp.example.com", "https://idp.example.com\n", "https://idp.example.com\x00",
		"https://іdp.example.com",       // Cyrillic і
		"https://idp.ехample.com",       // Cyrillic е and х
		"https://ｉｄｐ.example.com",       // full width
		"https://idp。example.com",       // ideographic full stop, a dot to IDNA
		"https://idp․example.com",       // one dot leader
		"https://idp.examp\u2113e.com",  // script small l
		"https://idp.exa\u00admple.com", // soft hyphen
		"https://idp\u200b.example.com", // zero width space
		"\ufeffhttps://idp.example.com", // byte order mark
		"\u202ehttps://idp.example.com", // right to left
		"https:\u2215/idp.example.com",  // division slash
		"https://xn--dp-1kc.example.com",
	} {
		list = append(list, broken{fmt.Sprintf("%+q", issuer), "RFC 8725 3.8", withClaim("iss", issuer), "unknown issuer"})
	}
	return list
}

// A claim of another type than it should have: what one reader takes for the number 0,
// another takes for "no limit". RFC 8725 section 3.10 (do not trust received claims), RFC
// 7519 section 4.1. What is not used may be of any type.
func TestAttack_TypeConfusionInClaims(t *testing.T) {
	t.Parallel()
	refuseAll(t, confusedClaims())
	w := newWorld(t)
	for _, claim := range []string{"jti", "sid", "email", "email_verified", "acr", "auth_time", "scope"} {
		for n, value := range append([]string{"null", `""`, `"x"`}, oddValues...) {
			sub := fmt.Sprint("user", n)
			tok := withPayloadText(`{"iss":"{iss}",{good},"sub":"` + sub + `","` + claim + `":` + value + `}`)(w.issuer)
			p := w.in(bearer(tok))
			require.Equal(t, "idp.example.com_"+sub, p.Name)
			u, err := w.state.User(t.Context(), notes.ID, p.Name)
			require.NoError(t, err)
			require.Empty(t, u.Email, "none of them is an address")
		}
	}
}

func confusedClaims() []broken {
	var list []broken
	for claim, says := range map[string]string{
		"iss": "claim iss is not a string", "sub": "claim sub is not a string", "azp": "claim azp is not a string",
	} {
		for _, value := range oddValues {
			list = append(list, confused(claim, value, says))
		}
	}
	for _, value := range []string{`""`, `"4000000000"`, `"never"`, "null", "[]", "[4000000000]", "{}", `{"$numberLong":"4000000000"}`, "true", "false"} {
		for _, claim := range []string{"exp", "iat", "nbf"} {
			list = append(list, confused(claim, value, "claim "+claim+" is not a number"))
		}
	}
	for _, value := range []string{"-1", "1e400", "-1.5e308", "9223372036854775808"} {
		for _, claim := range []string{"exp", "iat", "nbf"} {
			list = append(list, confused(claim, value, "claim "+claim+" is not a time"))
		}
	}
	return append(list,
		confused("sub", "null", "token has no subject"), confused("iss", "null", "token has no issuer"),
		// OpenID Connect's own claims, which go-oidc reads.
		confused("nonce", "1", "token refused"), confused("_claim_names", `{"a":"src"}`, "token refused"), confused("_claim_sources", "1", "token refused"))
}

// confused is a good token of alice but for one claim.
func confused(claim, value, says string) broken {
	members := map[string]string{"iss": `"{iss}"`, "sub": `"alice"`, "aud": `"app"`, "iat": "1700000000", "exp": "4000000000"}
	members[claim] = value
	var list []string
	for name, text := range members {
		list = append(list, `"`+name+`":`+text)
	}
	return broken{claim + " " + value, "type confusion", withPayloadText("{" + strings.Join(list, ",") + "}"), says}
}

// The claims that a configuration names: of another type they give no role, meet no
// requirement and make no name.
func TestAttack_TypeConfusionInConfiguredClaims(t *testing.T) {
	t.Parallel()
	for _, value := range append([]string{`"no"`, `""`, `"true "`, `["no","[\"yes\"]"]`, `[["yes"]]`, `{"yes":"yes"}`, `[{"yes":true}]`}, oddValues...) {
		w := newWorld(t, func(c *Config) { c.Providers[0].Require = map[string][]string{"who": {"yes"}} })
		tok := withPayloadText(`{"iss":"{iss}",{good},"sub":"alice","who":` + value + `}`)(w.issuer)
		require.Equal(t, 403, w.out(bearer(tok)).Status, value)

		w = newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "a.roles" })
		tok = withPayloadText(`{"iss":"{iss}",{good},"sub":"alice","a":{"roles":` + value + `},"roles":["admin"]}`)(w.issuer)
		p, err := w.service.Authenticate(get(bearer(tok)), w.site, notes)
		if err == nil {
			require.NotContains(t, p.Roles, "admin", value)
		} else {
			require.Equal(t, "Invalid login: claim a.roles is not a string or an array of strings", err.Error())
		}
	}
	// A claim by a path is not one whose name has dots, or the other way round.
	w := newWorld(t, func(c *Config) { c.Providers[0].Require = map[string][]string{"a.b": {"yes"}} })
	for _, payload := range []string{`"a":{"b":"no"},"b":"yes"`, `"a":"b","a/b":"yes"`, `"a":[{"b":"yes"}]`, `"a.b":"no","a":{"b":"yes"}`} {
		require.Equal(t, 403, w.out(bearer(withPayloadText(`{"iss":"{iss}",{good},"sub":"alice",`+payload+`}`)(w.issuer))).Status, payload)
	}
}

// Go's encoding/json takes "EXP" for "exp", and go-oidc reads tokens by it: members in
// other letters must never make a token better. Bishop Fox (2021), see duplicate members.
func TestAttack_LettersOfClaimNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, payload := range []string{
		`"iss":"{iss}","sub":"alice","aud":"app","iat":1,"exp":1,"EXP":4000000000,"Exp":4000000000`,
		`"iss":"https://evil.example.com","ISS":"{iss}","sub":"alice",{good}`,
		`"iss":"{iss}","SUB":"alice",{good}`,
		`"iss":"{iss}","sub":"alice","aud":"other","AUD":"app","iat":1,"exp":4000000000`,
		`"ISS":"{iss}","SUB":"alice","AUD":"app","IAT":1,"EXP":4000000000`,
	} {
		require.Equal(t, 401, w.out(bearer(withPayloadText("{"+payload+"}")(w.issuer))).Status, payload)
	}
	p := w.in(bearer(withPayloadText(`{"iss":"{iss}","sub":"bob","Sub":"alice","SUB":"alice",{good}}`)(w.issuer)))
	require.Equal(t, "idp.example.com_bob", p.Name)
	require.False(t, w.records.holds("alice"))
}

// Two subjects that a careless comparison or encoding would make one. RFC 7519 section
// 7.3 (compared as code points, without normalisation), RFC 8259 section 8.2 (lone
// surrogates), CVE-2019-19844 and CVE-2017-12635 (accounts taken over by look-alikes).
func TestAttack_LookAlikeSubjects(t *testing.T) {
	t.Parallel()
	refuseAll(t, strangeSubjects())
	w := newWorld(t)
	names := map[string]string{}
	for _, sub := range []string{
		"alice", "Alice", "ALICE", "alice ", " alice", "alice\x00", "ali\u200bce", "аlice", "ａlice", "\u00e9", "e\u0301", "K", "\u212a", "s", "\u017f",
		"a/b", "a%2Fb", "a%252Fb", "a+b", "a b", "a%20b", "i", "\u0131", "\u0130", "1", "01", "1.0",
	} {
		p := w.in(bearer(w.issuer.token(sub)))
		require.Equal(t, sub, p.Subject)
		require.Equal(t, "idp.example.com_"+url.QueryEscape(sub), p.Name)
		require.NotContains(t, names, p.Name, "%q and %q", sub, names[p.Name])
		names[p.Name] = sub
	}
}

func strangeSubjects() []broken {
	const refused = "subject not accepted"
	return []broken{
		{"none", "F27", withClaim("sub", absent), "token has no subject"},
		{"empty", "F27", withClaim("sub", ""), "token has no subject"},
		{"half a surrogate pair", "RFC 8259 8.2: two subjects would become one", withPayloadText(`{"iss":"{iss}",{good},"sub":"alice\ud800"}`), refused},
		{"another half", "RFC 8259 8.2", withPayloadText(`{"iss":"{iss}",{good},"sub":"alice\udfff"}`), refused},
		{"halves in the wrong order", "RFC 8259 8.2", withPayloadText(`{"iss":"{iss}",{good},"sub":"alice\udc00\ud800"}`), refused},
		{"the replacement character", "what those become", withPayloadText(`{"iss":"{iss}",{good},"sub":"alice\ufffd"}`), refused},
		{"too long", "OpenID Connect Core 2", withClaim("sub", "alice"+strings.Repeat("x", maxSubject)), refused},
		{"longer than a name", "names are 239 bytes", withClaim("sub", "alice"+strings.Repeat("x", 300)), "invalid user name"},
	}
}

// An address that the provider did not check is nobody's: it neither meets a requirement
// nor makes an administrator. "nOAuth" (Descope, 2023); OpenID Connect Core section 5.7.
func TestAttack_UnverifiedEmail(t *testing.T) {
	t.Parallel()
	boss := map[string][]string{"email": {"boss@corp.example"}}
	for _, verified := range []any{absent, false, nil, "false", "yes", "TRUE", 1, []bool{true}, map[string]any{"true": true}} {
		claims := map[string]any{"email": "boss@corp.example", "email_verified": verified}
		w := newWorld(t, func(c *Config) { c.Providers[0].Require = boss })
		require.Equal(t, 403, w.out(bearer(w.issuer.token("mallory", claims))).Status, "require: %v", verified)
		w = newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "email" })
		require.Equal(t, 401, w.out(bearer(w.issuer.token("mallory", claims))).Status, "username_claim: %v", verified)
		w = newWorld(t)
		w.site = &Site{Admin: &AdminRule{Claims: boss}}
		require.Equal(t, 403, w.out(bearer(w.issuer.token("mallory", claims))).Status, "allow claim: %v", verified)
	}
	claims := map[string]any{"email": "boss@corp.example", "email_verified": true}
	w := newWorld(t, func(c *Config) { c.Providers[0].Require = boss })
	cookie := w.signIn(w.issuer.token("boss", claims))
	w.lease(w.in(cookie))
	w.lease(w.in(bearer(w.issuer.token("boss", claims))))
	w.site = &Site{Admin: &AdminRule{Claims: boss}}
	require.True(t, w.in(bearer(w.issuer.token("boss", claims))).Admin)
}
