package standin

import "time"

// Auth0 is a tenant at Auth0: the issuer ends with a slash, and roles are in a claim
// whose name is a URL.
func Auth0(n *Internet, domain, client, rolesClaim string) *Provider {
	const kid = "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4"

	issuer := "https://" + domain + "/"

	n.handle(domain, "/.well-known/openid-configuration", document(object{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "authorize",
		"token_endpoint":                        issuer + "oauth/token",
		"device_authorization_endpoint":         issuer + "oauth/device/code",
		"userinfo_endpoint":                     issuer + "userinfo",
		"mfa_challenge_endpoint":                issuer + "mfa/challenge",
		"jwks_uri":                              issuer + ".well-known/jwks.json",
		"revocation_endpoint":                   issuer + "oauth/revoke",
		"end_session_endpoint":                  issuer + "oidc/logout",
		"scopes_supported":                      []string{"openid", "profile", "offline_access", "name", "email"},
		"response_types_supported":              []string{"code", "token", "id_token", "code token"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"HS256", "RS256", "PS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"claims_supported":                      []string{"aud", "auth_time", "created_at", "email", "email_verified", "exp", "iat", "iss", "sub"},
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"backchannel_logout_supported":          true,
		"backchannel_logout_session_supported":  true,
		"request_uri_parameter_supported":       false,
	}))
	n.handle(domain, "/.well-known/jwks.json", document(object{"keys": []object{
		keys()[0].jwk(kid, keys()[0].certified().with(object{"alg": "RS256", "x5t#S256": Without})),
		keys()[1].jwk("QkM1RTE0RDdCNTU4RTA2QzZFMDQ4NTQx", keys()[1].certified().with(object{"alg": "RS256", "x5t#S256": Without})),
	}}))

	return &Provider{Issuer: issuer, kid: kid, typed: true, claims: func() object {
		return object{
			rolesClaim:       []string{"editor", "reader"},
			"nickname":       "alice",
			"name":           "alice@example.com",
			"picture":        "https://s.gravatar.com/avatar/0.png",
			"updated_at":     time.Now().UTC().Format(time.RFC3339Nano),
			"email":          "alice@example.com",
			"email_verified": true,
			"iss":            issuer,
			"aud":            client,
			"sub":            "auth0|6507f8a1e4b0c2d3f4a5b6c7",
			"sid":            "0V8mW9Qa2bJ5",
			"nonce":          "dGVzdC1ub25jZQ",
		}.with(lasting(10 * time.Hour))
	}}
}
