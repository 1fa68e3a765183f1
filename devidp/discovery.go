package devidp

import (
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"go.uber.org/zap"
)

// discovery answers with the provider's metadata (OpenID Connect Discovery section 3):
// the library's, less what it can do and this provider does not offer.
func (p *provider) discovery(w http.ResponseWriter, r *http.Request) {
	config := op.CreateDiscoveryConfig(r.Context(), p, p.storage)

	config.ResponseTypesSupported = []string{string(oidc.ResponseTypeCode)}
	config.ResponseModesSupported = []string{
		string(oidc.ResponseModeQuery), string(oidc.ResponseModeFragment), string(oidc.ResponseModeFormPost),
	}
	config.GrantTypesSupported = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	config.TokenEndpointAuthMethodsSupported = p.authMethods()
	config.RevocationEndpointAuthMethodsSupported = p.authMethods()
	config.RevocationEndpointAuthSigningAlgValuesSupported = nil
	config.IntrospectionEndpoint = ""
	config.IntrospectionEndpointAuthMethodsSupported = nil
	config.IntrospectionEndpointAuthSigningAlgValuesSupported = nil
	config.DeviceAuthorizationEndpoint = ""
	config.ScopesSupported = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopePhone, oidc.ScopeAddress, oidc.ScopeOfflineAccess}
	config.ClaimsSupported = nil

	op.Discover(w, config)
}

// authMethods are how the clients listed say who they are at the token endpoint.
func (s settings) authMethods() []oidc.AuthMethod {
	methods := []oidc.AuthMethod{oidc.AuthMethodNone}

	if slices.ContainsFunc(s.clients, func(c Client) bool { return c.Secret != "" }) {
		methods = append(methods, oidc.AuthMethodBasic, oidc.AuthMethodPost)
	}

	return methods
}

// keySet answers with the public keys of all algorithms.
func (p *provider) keySet(w http.ResponseWriter, r *http.Request) {
	if !p.haveKeys(w) {
		return
	}

	op.Keys(w, r, p.storage)
}

// haveKeys makes or loads the keys, and answers 500 if that fails. The reason (a path, a
// permission) is for the log.
func (p *provider) haveKeys(w http.ResponseWriter) bool {
	if _, err := p.storage.keys.all(); err != nil {
		p.log.Error("the development identity provider has no keys", zap.Error(err))
		http.Error(w, "The development identity provider has no keys; the server's log says why.", http.StatusInternalServerError)

		return false
	}

	return true
}
