package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// smuggled are texts that end a header, a line of a log or a list, and begin another: CRLF
// and what becomes it when code points are cut to bytes (CVE-2018-12116), NUL, lists.
var smuggled = []string{
	"x\r\nSet-Cookie: SyncGatewaySession=planted", "x\nX-Planted: 1", "x\rX-Planted: 1", "x\x00planted", "x\u010aX-Planted: 1\u010d", "x\u2028planted", "x\u0085planted",
	"x,planted", "x;planted", "x, planted", `x" planted="1`, `x\" planted`, "x`planted`", "x/../planted", "x:planted", "x{planted}", "x%0d%0aX-Planted: 1", "x\x1b[31mplanted", "x\u202eplanted",
	"x' OR 'planted", "${jndi:ldap://planted}", "<script>planted</script>", "x\tplanted", "x planted",
}

// Names are put into headers, paths, logs and lists: whatever a provider lets its users
// call themselves, they are one word of printable ASCII. CWE-113, CWE-117, CVE-2018-12116.
func TestAttack_HeadersSmuggledInNames(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "corp"} {
		w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim, c.Providers[0].UserPrefix = "nick", prefix })
		for n, text := range smuggled {
			p := w.in(bearer(w.issuer.token(fmt.Sprint("u", n), map[string]any{"nick": text})))
			require.Equal(t, -1, strings.IndexFunc(p.Name, func(r rune) bool {
				return r >= unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_%+-.~", r)
			}), "%q became %q", text, p.Name)
			require.NoError(t, checkUserName(p.Name))
		}
	}
	w := newWorld(t)
	for _, text := range smuggled {
		p := w.in(bearer(w.issuer.token(text)))
		require.NotContains(t, p.Name, " ")
		require.NotRegexp(t, `[^!-~]`, p.Name)
	}
	for _, name := range []string{"a\r\nb", "a\nb", "a\x00b", "a\x7fb", "a\u0085b", "a,b", "a:b", "a/b", "a`b", "a\xffb"} {
		require.ErrorIs(t, w.state.CreateUser(t.Context(), notes.ID, name, false), ErrBadUserName, "%q", name)
	}
}

// What a refused request says of itself reaches neither the challenge nor a line of the
// log of its own. RFC 6750 section 3 (the characters of error_description), CWE-113.
func TestAttack_HeadersSmuggledInRefusals(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	w := newWorld(t, func(c *Config) {
		c.Logger, c.Providers[0].Register = zap.New(core), false
		c.Providers[0].UsernameClaim = "nick"
	})
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "x%2Cplanted", false))
	for _, text := range smuggled {
		quoted := fmt.Sprintf("%q", text)
		for _, tok := range []string{
			text, bearer(text), w.issuer.token(text), w.issuer.token("a", map[string]any{"iss": text}), w.issuer.token("a", map[string]any{"aud": text}),
			w.issuer.token("a", map[string]any{"nick": text}), w.issuer.token("a", map[string]any{text: text, "nbf": text}),
			withHeaderText(`{"alg":` + quoted + `}`)(w.issuer), withHeaderText(`{"alg":"ES256","kid":` + quoted + `}`)(w.issuer), withHeaderText(`{"alg":"ES256","typ":` + quoted + `}`)(w.issuer),
		} {
			for _, r := range []*http.Request{request(http.MethodGet, "/", ""), request(http.MethodPost, "/", `{"name":"`+text+`"}`)} {
				r.Header["Authorization"] = []string{bearer(tok)}
				r.Header["Cookie"] = []string{"SyncGatewaySession=" + text}
				r.Header["User-Agent"] = []string{text}
				rec := httptest.NewRecorder()
				serveSession(w.service, rec, r, w.site, &notes, nil)
				require.GreaterOrEqual(t, rec.Code, 400)
				for name, values := range rec.Header() {
					for _, value := range values {
						require.NotContains(t, strings.ToLower(value), "planted", name)
						require.NotRegexp(t, `[^ -~]`, value)
					}
				}
			}
		}
	}
	require.Positive(t, logs.Len())
	for _, e := range logs.All() {
		require.NotContains(t, e.Message, "planted")
		require.NotRegexp(t, `[\r\n]`, e.Message)
		require.NotContains(t, fmt.Sprint(e.ContextMap()["detail"]), "\n", "the log encodes it, and it is quoted before")
	}
}

// A role or channel that passes for two where they are written as a list, or for more
// than the provider can give. CWE-117, CWE-138.
func TestAttack_ListsSmuggledInRolesAndChannels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim, c.Providers[0].ChannelsClaim = "roles", "roles" })
	good := []string{"staff", "a b", "project:7", "role/x", "é", "_x", "x_admin", "*"}
	roles := append([]string{"_admin", "", "\ufffd", "staff,admin", ",", "staff,", "x\r\nX-Roles: admin", "x\nadmin", "x\x00", "x\u0085", "x\tadmin"}, good...)
	p := w.in(bearer(w.issuer.token("alice", map[string]any{"roles": roles})))
	require.Equal(t, good, p.Roles)
	require.Equal(t, good, p.Channels)
	cookie := w.signIn(w.issuer.token("alice", map[string]any{"roles": roles}))
	require.Equal(t, good, w.in(cookie).Roles)
	half := bearer(withPayloadText(`{"iss":"{iss}",{good},"sub":"bob","roles":["a\ud800","a\ud801"]}`)(w.issuer))
	require.Empty(t, w.in(half).Roles, "two roles that would become one")
}
