package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
)

// Kind says what a Provider is in the configuration.
type Kind int

const (
	// KindOIDC is an OpenID Connect provider (`oidc <name>`).
	KindOIDC Kind = iota
	// KindJWT issues tokens without OpenID Connect (`jwt <name>`), such as an app's own
	// backend: no discovery, no signing in by browser.
	KindJWT
)

// String returns the kind's word in the Caddyfile.
func (k Kind) String() string {
	if k == KindJWT {
		return "jwt"
	}
	return "oidc"
}

// Provider is somebody whose tokens sign clients in. Names are unique over both kinds:
// sessions know their provider by name and issuer.
type Provider struct {
	Kind Kind
	Name string
	// Issuer is compared exactly with the token's iss and with discovery's issuer. With
	// KindJWT it is any text (RFC 7519 section 4.1.1: StringOrURI).
	Issuer string
	// Tenants are the tid claims that are accepted where Issuer has {tenantid}, in place
	// of which the token's own tid must stand (Microsoft Entra).
	Tenants []string
	// ClientIDs are the accepted audiences; one at least.
	ClientIDs []string
	// DiscoveryURL replaces <issuer>/.well-known/openid-configuration.
	DiscoveryURL string
	// JWKSURL names the keys directly; no discovery then.
	JWKSURL string
	// JWKSFile is a file of public keys: a JWK set, a JWK, or PEM. It is read again when
	// it changes. KindJWT has exactly one of JWKSFile, Keys and JWKSURL.
	JWKSFile string
	// Keys are public keys as JWKs (RFC 7517).
	Keys []json.RawMessage
	// Algorithms limits the signature algorithms. Required with KindJWT. Default: RS256,
	// ES256, EdDSA and those of discovery.
	Algorithms    []string
	UsernameClaim string // name or path; default sub
	UserPrefix    string
	RolesClaim    string // name or path
	ChannelsClaim string // name or path
	// Require maps claims (names or paths) to values of which the token must have one.
	Require   map[string][]string
	Register  bool          // make a user at the first valid token
	ClockSkew time.Duration // for iat and nbf; default 30s, or NoClockSkew
	// MaxTokenAge ends a token that long after its iat, whatever its exp. 0: no limit.
	MaxTokenAge time.Duration
	// AccessTokens accepts typ at+jwt (RFC 9068) beside ID tokens.
	AccessTokens       bool
	CAFile             string
	InsecureSkipVerify bool
	HTTPClient         *http.Client // tests

	// What follows is for KindOIDC: sign-in by browser (the authorization code flow),
	// which uses the first of ClientIDs.

	// ClientSecret authenticates this server at the token endpoint. Without it and
	// without ClientSecretKey it is a public client, with PKCE alone.
	ClientSecret string
	// ClientSecretKey signs a new client secret for each request (Sign in with Apple).
	ClientSecretKey ClientSecretKey
	// CallbackURL is the redirect_uri. Default: <scheme and host of the request><path
	// prefix>/<database>/_oidc_callback, with ?provider=<name> unless it is the
	// database's default provider.
	CallbackURL string
	// Scopes are asked for. Default: openid email.
	Scopes []string
	// IncludeAccess also answers access_token, token_type and expires_in.
	IncludeAccess bool
	// DisableSession answers tokens without making a session of them.
	DisableSession bool
	// RefreshByQuery accepts a refresh token in the URL, where logs may keep it
	// (DECISIONS 15).
	RefreshByQuery bool
	// ResponseMode is "" (the answer comes in the query) or "form_post" (by POST, as
	// Apple does).
	ResponseMode string
}

// defaultAlgorithms are accepted of any provider that does not configure others.
var defaultAlgorithms = []string{"RS256", "ES256", "EdDSA"}

// issuerGoogle signs tokens with and without the scheme in iss (its documentation says so).
const issuerGoogle = "https://accounts.google.com"

// provider is a Provider that was checked.
type provider struct {
	Provider
	client *http.Client
	keys   atomic.Pointer[keySet] // fetched ones; set by Service.Start
	static *staticKeys            // configured ones, nil if they are fetched
	code   codeClient
}

func newProviders(list []Provider) ([]*provider, error) {
	var providers []*provider
	type use struct{ issuer, audience string }
	used := map[use]Provider{}
	for _, p := range list {
		if i := slices.IndexFunc(providers, func(o *provider) bool { return o.Name == p.Name }); i >= 0 {
			return nil, fmt.Errorf("%v %s and %v %s share a name: give the second another name", providers[i].Kind, p.Name, p.Kind, p.Name)
		}
		checked, err := newProvider(p)
		if err != nil {
			return nil, fmt.Errorf("%v %s: %w", p.Kind, p.Name, err)
		}
		for _, issuer := range p.issuers() {
			for _, id := range p.ClientIDs {
				u := use{issuer, id}
				if other, taken := used[u]; taken {
					return nil, fmt.Errorf("%v %s and %v %s both accept tokens of the issuer %s for the audience %s: "+
						"keep it in one", other.Kind, other.Name, p.Kind, p.Name, issuer, id)
				}
				used[u] = p
			}
		}
		providers = append(providers, checked)
	}
	return providers, nil
}

func newProvider(p Provider) (*provider, error) {
	switch p.ClockSkew {
	case 0:
		p.ClockSkew = DefaultClockSkew
	case NoClockSkew:
		p.ClockSkew = 0
	}
	switch {
	case p.Name == "":
		return nil, fmt.Errorf("a provider needs a name: `%v <name> { … }`", p.Kind)
	case p.ClockSkew < 0 || p.ClockSkew > maxClockSkew:
		return nil, fmt.Errorf("clock_skew %v is out of range: write 0s to %v", p.ClockSkew, maxClockSkew)
	case p.MaxTokenAge < 0:
		return nil, errors.New("max_token_age is negative")
	}
	check := (*Provider).checkOIDC
	if p.Kind == KindJWT {
		check = (*Provider).checkJWT
	}
	for _, check := range []func(*Provider) error{check, (*Provider).checkTenants, (*Provider).checkTokens} {
		if err := check(&p); err != nil {
			return nil, err
		}
	}
	checked := &provider{Provider: p}
	var err error
	if p.JWKSFile != "" || len(p.Keys) > 0 {
		checked.static, err = newStaticKeys(&p)
	} else {
		checked.client, err = newFetchClient(p)
	}
	if err == nil && p.Kind == KindOIDC {
		err = checked.prepareCodeFlow()
	}
	return checked, err
}

// checkOIDC is for an OpenID Connect provider.
func (p *Provider) checkOIDC() error {
	switch {
	case p.Issuer == "":
		return errors.New("issuer is missing: write `issuer https://…`, as the provider's discovery document has it")
	case len(p.ClientIDs) == 0 || slices.Contains(p.ClientIDs, ""):
		return errors.New("client_id is missing: write the client IDs whose tokens are accepted")
	case p.JWKSFile != "" || len(p.Keys) > 0:
		return errors.New("keys of one's own are for providers without OpenID Connect: write `jwt <name> { … }`")
	case p.DiscoveryURL != "" && p.JWKSURL != "":
		return errors.New("discovery_url and jwks_url exclude each other: keep one")
	}
	if err := checkIssuer(p.Issuer); err != nil {
		return fmt.Errorf("issuer %s: %w", p.Issuer, err)
	}
	return p.checkURLs()
}

// checkJWT is for a provider without OpenID Connect.
func (p *Provider) checkJWT() error {
	sources := 0
	for _, there := range []bool{p.JWKSFile != "", len(p.Keys) > 0, p.JWKSURL != ""} {
		if there {
			sources++
		}
	}
	switch {
	case p.Issuer == "":
		return errors.New("issuer is missing: write `issuer <text>`, as tokens have it in iss")
	case strings.ContainsFunc(p.Issuer, unicode.IsControl) || !utf8.ValidString(p.Issuer):
		return errors.New("issuer has control characters")
	case len(p.ClientIDs) == 0 || slices.Contains(p.ClientIDs, ""):
		return errors.New("audience is missing: write `audience <text…>`, of which tokens have one in aud, " +
			"so that a token made for something else does not sign in here")
	case len(p.Algorithms) == 0:
		return errors.New("algorithms is missing: write `algorithms <alg…>`, such as EdDSA or ES256")
	case p.DiscoveryURL != "":
		return errors.New("discovery is OpenID Connect's: write `oidc <name> { … }`")
	case len(p.Tenants) > 0:
		return errors.New("tenants are of OpenID Connect providers: write `oidc <name> { … }`")
	case sources == 0:
		return errors.New("keys are missing: write `jwks_file <path>`, `key <jwk>` or `jwks_url <url>`")
	case sources > 1:
		return errors.New("jwks_file, key and jwks_url exclude each other: keep one")
	}
	return p.checkURLs()
}

func (p *Provider) checkURLs() error {
	for name, address := range map[string]string{"discovery_url": p.DiscoveryURL, "jwks_url": p.JWKSURL} {
		if address == "" {
			continue
		}
		if err := checkEndpoint(address); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// checkTokens is about what tokens must be like.
func (p *Provider) checkTokens() error {
	for _, a := range p.Algorithms {
		if !slices.Contains(signatureAlgorithms, a) {
			return fmt.Errorf("algorithm %s is refused (unsigned and HMAC tokens can be forged with what is public): use some of %s",
				a, strings.Join(signatureAlgorithms, " "))
		}
	}
	for claim, values := range p.Require {
		if claim == "" || len(values) == 0 {
			return errors.New("require needs a claim and its values: `require <claim> <value…>`")
		}
	}
	return p.checkPrefix()
}

// checkPrefix refuses what no user name can begin with: every sign-in would be refused, and
// clients that are answered 401 stop for good.
func (p *Provider) checkPrefix() error {
	prefix := p.UserPrefix
	if prefix == "" && p.UsernameClaim == "" {
		prefix = defaultUserPrefix(p.issuers()[0], p.Name)
	}
	if prefix != "" && checkUserName(prefix+"_0") != nil {
		return fmt.Errorf("user names cannot begin with %q: write a `user_prefix` without / : , ` and control characters, that leaves room for a name of 239 bytes in all", prefix)
	}
	return nil
}

func checkIssuer(issuer string) error {
	if err := checkEndpoint(issuer); err != nil {
		return err
	}
	if strings.ContainsAny(issuer, "?#") {
		return errors.New("an issuer has no query and no fragment (OpenID Connect Core section 2)")
	}
	return nil
}

// source says where the provider's keys come from.
func (p *provider) source() keySource {
	s := keySource{provider: p.Name, issuer: p.Issuer, jwksURL: p.JWKSURL}
	if s.jwksURL == "" {
		s.discoveryURL = p.DiscoveryURL
		if s.discoveryURL == "" {
			s.discoveryURL = discoveryURL(p.Issuer)
		}
	}
	return s
}

// storeKey names the stored keys: those of another source must not be taken for ours.
func (s keySource) storeKey() string {
	sum := sha256.Sum256([]byte(s.issuer + "\n" + s.discoveryURL + "\n" + s.jwksURL))
	return string(sum[:])
}

// shareKey tells key sets apart that may not be shared by configurations, because
// they are fetched differently.
func (p *provider) shareKey() string {
	return fmt.Sprintf("%x %q %t %p", p.source().storeKey(), p.CAFile, p.InsecureSkipVerify, p.HTTPClient)
}

// hears reports whether a token is for one of our clients. party is its authorized
// party as authorizedParty has it.
func (p *provider) hears(audience []string, party string) bool {
	return slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(p.ClientIDs, a) }) &&
		(party == "" || slices.Contains(p.ClientIDs, party))
}

// algorithms are those that the provider's tokens may be signed with; discovered may be nil.
func (p *provider) algorithms(discovered []string) []jose.SignatureAlgorithm {
	list := p.Algorithms
	if len(list) == 0 {
		list = slices.Concat(defaultAlgorithms, discovered)
	}
	algs := make([]jose.SignatureAlgorithm, len(list))
	for i, a := range list {
		algs[i] = jose.SignatureAlgorithm(a)
	}
	return algs
}
