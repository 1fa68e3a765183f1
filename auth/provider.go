package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is an OpenID Connect provider (`oidc <name>`).
type Provider struct {
	Name string
	// Issuer is compared exactly with the token's iss and with discovery's issuer.
	Issuer string
	// ClientIDs are the accepted audiences; one at least.
	ClientIDs []string
	// DiscoveryURL replaces <issuer>/.well-known/openid-configuration.
	DiscoveryURL string
	// JWKSURL names the keys directly; no discovery then.
	JWKSURL string
	// Algorithms limits the signature algorithms. Default: RS256, ES256, EdDSA and
	// those of discovery.
	Algorithms    []string
	UsernameClaim string // name or path; default sub
	UserPrefix    string
	RolesClaim    string // name or path
	ChannelsClaim string // name or path
	// Require maps claims (names or paths) to values of which the token must have one.
	Require   map[string][]string
	Register  bool          // make a user at the first valid token
	ClockSkew time.Duration // for iat and nbf; default 30s
	// MaxTokenAge ends a token that long after its iat, whatever its exp. 0: no limit.
	MaxTokenAge time.Duration
	// AccessTokens accepts typ at+jwt (RFC 9068) beside ID tokens.
	AccessTokens       bool
	CAFile             string
	InsecureSkipVerify bool
	HTTPClient         *http.Client // tests
}

// defaultAlgorithms are accepted of any provider that does not configure others.
var defaultAlgorithms = []string{"RS256", "ES256", "EdDSA"}

// issuerGoogle signs tokens with and without the scheme in iss (its documentation says so).
const issuerGoogle = "https://accounts.google.com"

// provider is a Provider that was checked.
type provider struct {
	Provider
	client *http.Client
	keys   atomic.Pointer[keySet] // set by Service.Start
}

func newProviders(list []Provider) ([]*provider, error) {
	var providers []*provider
	type use struct{ issuer, audience string }
	used := map[use]string{}
	for _, p := range list {
		if slices.ContainsFunc(providers, func(o *provider) bool { return o.Name == p.Name }) {
			return nil, fmt.Errorf("oidc %s is configured twice: give the second another name", p.Name)
		}
		checked, err := newProvider(p)
		if err != nil {
			return nil, fmt.Errorf("oidc %s: %w", p.Name, err)
		}
		for _, id := range p.ClientIDs {
			u := use{p.Issuer, id}
			if other, taken := used[u]; taken {
				return nil, fmt.Errorf("oidc %s and oidc %s have the same issuer and the client_id %s: "+
					"a token would belong to both, so keep it in one", other, p.Name, id)
			}
			used[u] = p.Name
		}
		providers = append(providers, checked)
	}
	return providers, nil
}

func newProvider(p Provider) (*provider, error) {
	if p.ClockSkew == 0 {
		p.ClockSkew = DefaultClockSkew
	}
	switch {
	case p.Name == "":
		return nil, errors.New("a provider needs a name: `oidc <name> { … }`")
	case p.Issuer == "":
		return nil, errors.New("issuer is missing: write `issuer https://…`, as the provider's discovery document has it")
	case len(p.ClientIDs) == 0 || slices.Contains(p.ClientIDs, ""):
		return nil, errors.New("client_id is missing: write the client IDs whose tokens are accepted")
	case p.DiscoveryURL != "" && p.JWKSURL != "":
		return nil, errors.New("discovery_url and jwks_url exclude each other: keep one")
	case p.ClockSkew < 0 || p.ClockSkew > maxClockSkew:
		return nil, fmt.Errorf("clock_skew %v is out of range: write 0s to %v", p.ClockSkew, maxClockSkew)
	case p.MaxTokenAge < 0:
		return nil, errors.New("max_token_age is negative")
	}
	if err := checkIssuer(p.Issuer); err != nil {
		return nil, fmt.Errorf("issuer %s: %w", p.Issuer, err)
	}
	for name, address := range map[string]string{"discovery_url": p.DiscoveryURL, "jwks_url": p.JWKSURL} {
		if address == "" {
			continue
		}
		if err := checkEndpoint(address); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, a := range p.Algorithms {
		if !slices.Contains(signatureAlgorithms, a) {
			return nil, fmt.Errorf("algorithm %s is refused (unsigned and HMAC tokens can be forged with what is public): use some of %s",
				a, strings.Join(signatureAlgorithms, " "))
		}
	}
	for claim, values := range p.Require {
		if claim == "" || len(values) == 0 {
			return nil, errors.New("require needs a claim and its values: `require <claim> <value…>`")
		}
	}
	client, err := newFetchClient(p)
	if err != nil {
		return nil, err
	}
	return &provider{Provider: p, client: client}, nil
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

// issued reports whether the provider has this issuer.
func (p *provider) issued(issuer string) bool {
	return issuer == p.Issuer || p.Issuer == issuerGoogle && "https://"+issuer == issuerGoogle
}

// hears reports whether the token is for one of our clients.
func (p *provider) hears(audience []string) bool {
	return slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(p.ClientIDs, a) })
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
