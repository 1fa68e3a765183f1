package standin

import (
	"net/url"
	"time"
)

// Keycloak is a realm: its key set has a key for encryption too, and says in `typ` of the
// claims what a token is.
func Keycloak(n *Internet, realm, client, secret string) *Provider {
	const kid = "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE"

	address, err := url.Parse(realm)
	if err != nil {
		panic(err) // a test's constant
	}

	endpoints := realm + "/protocol/openid-connect"

	n.handle(address.Host, address.Path+"/.well-known/openid-configuration", document(object{
		"issuer":                                         realm,
		"authorization_endpoint":                         endpoints + "/auth",
		"token_endpoint":                                 endpoints + "/token",
		"introspection_endpoint":                         endpoints + "/token/introspect",
		"userinfo_endpoint":                              endpoints + "/userinfo",
		"end_session_endpoint":                           endpoints + "/logout",
		"jwks_uri":                                       endpoints + "/certs",
		"frontchannel_logout_session_supported":          true,
		"frontchannel_logout_supported":                  true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"grant_types_supported":                          []string{"authorization_code", "implicit", "refresh_token", "password", "client_credentials"},
		"response_types_supported":                       []string{"code", "none", "id_token", "code id_token"},
		"response_modes_supported":                       []string{"query", "fragment", "form_post"},
		"subject_types_supported":                        []string{"public", "pairwise"},
		"id_token_signing_alg_values_supported":          []string{"PS384", "RS384", "EdDSA", "ES384", "HS256", "HS512", "ES256", "RS256", "HS384", "ES512", "PS256", "PS512", "RS512"},
		"token_endpoint_auth_methods_supported":          []string{"private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt"},
		"claims_supported":                               []string{"aud", "sub", "iss", "auth_time", "name", "given_name", "preferred_username", "email", "acr"},
		"scopes_supported":                               []string{"openid", "profile", "email", "roles", "offline_access"},
		"code_challenge_methods_supported":               []string{"plain", "S256"},
		"authorization_response_iss_parameter_supported": true,
	}))
	n.handle(address.Host, address.Path+"/protocol/openid-connect/certs", document(object{"keys": []object{
		keys()[1].jwk("tDZ0EHTW8hxqBzSUJXmLMwqzxgKfyDxHKqGzqXJ3QkA", keys()[1].certified().with(object{"use": "enc", "alg": "RSA-OAEP"})),
		keys()[0].jwk(kid, keys()[0].certified().with(object{"alg": "RS256"})),
	}}))

	p := &Provider{Issuer: realm, kid: kid, typed: true, claims: func() object {
		return object{
			"auth_time":          time.Now().Unix(),
			"jti":                "b1d5b1d2-7d0f-4b7e-9d55-7a3cf1b9b5cf",
			"iss":                realm,
			"aud":                client,
			"sub":                "f2c9d9a4-1f0e-4e2b-8b77-0d0a6a1c2b3d",
			"typ":                "ID",
			"azp":                client,
			"sid":                "5d2f0a0c-6a40-4b7c-a5c3-3b0c36d7e0e5",
			"at_hash":            "mH0Yt7iNQ3dGJ2rQyYy9Rw",
			"acr":                "1",
			"email_verified":     false,
			"realm_access":       object{"roles": []string{"default-roles-notes", "offline_access", "editor"}},
			"name":               "Alice Liddell",
			"preferred_username": "alice",
			"given_name":         "Alice",
			"family_name":        "Liddell",
			"email":              "alice@example.com",
		}.with(lasting(5 * time.Minute))
	}}
	p.flow = flow{client: client, basic: true, secret: sharedSecret(client, secret), issParameter: true, codes: map[string]url.Values{}}
	n.handle(address.Host, address.Path+"/protocol/openid-connect/token", p.token)

	return p
}
