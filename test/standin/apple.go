package standin

import (
	"net/url"
	"time"
)

// Apple is appleid.apple.com. Its token was made for a native app; the flags of its
// address are strings. Browsers sign in as the Services ID, by form_post.
func Apple(n *Internet, bundle, services string, secret *AppleKey) *Provider {
	const kid = "fh6Bs8C"

	n.handle("appleid.apple.com", "/.well-known/openid-configuration", document(object{
		"issuer":                                "https://appleid.apple.com",
		"authorization_endpoint":                "https://appleid.apple.com/auth/authorize",
		"token_endpoint":                        "https://appleid.apple.com/auth/token",
		"revocation_endpoint":                   "https://appleid.apple.com/auth/revoke",
		"jwks_uri":                              "https://appleid.apple.com/auth/keys",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "email", "name"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"claims_supported":                      []string{"aud", "email", "email_verified", "exp", "iat", "is_private_email", "iss", "nonce", "sub"},
	}))
	n.handle("appleid.apple.com", "/auth/keys", document(object{"keys": []object{
		keys()[1].jwk("YuyXoY", object{"alg": "RS256"}),
		keys()[0].jwk(kid, object{"alg": "RS256"}),
	}}))

	p := &Provider{Issuer: "https://appleid.apple.com", kid: kid, claims: func() object {
		return object{
			"iss":              "https://appleid.apple.com",
			"aud":              bundle,
			"sub":              "001473.9f3e7a2c5b1d4e8fa0b6c2d8e4f01357.0942",
			"nonce":            "c0ffee5d1a0f4d4e8d0c",
			"c_hash":           "GhIM7Hm0b1MnuQ3yXkQYPg",
			"email":            "x7kq2m9v4p@privaterelay.appleid.com",
			"email_verified":   "true",
			"is_private_email": "true",
			"auth_time":        time.Now().Unix(),
			"nonce_supported":  true,
			"real_user_status": 2,
		}.with(lasting(24 * time.Hour))
	}}
	p.flow = flow{client: services, responseMode: "form_post", secret: secret.check, codes: map[string]url.Values{}}
	n.handle("appleid.apple.com", "/auth/token", p.token)

	return p
}
