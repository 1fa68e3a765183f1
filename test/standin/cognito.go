package standin

import "time"

// Cognito is a user pool: one host has its documents, another its sign-in pages.
func Cognito(n *Internet, region, pool, client string) *Provider {
	const kid = "Ln9S0s3jUO0jE3B2xN5vqk4DcVWmQ6tTz1yVb0f7Jk8="

	host := "cognito-idp." + region + ".amazonaws.com"
	issuer := "https://" + host + "/" + pool
	pages := "https://acme.auth." + region + ".amazoncognito.com"

	n.handle(host, "/"+pool+"/.well-known/openid-configuration", document(object{
		"authorization_endpoint":                pages + "/oauth2/authorize",
		"end_session_endpoint":                  pages + "/logout",
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"issuer":                                issuer,
		"jwks_uri":                              issuer + "/.well-known/jwks.json",
		"response_types_supported":              []string{"code", "token"},
		"revocation_endpoint":                   pages + "/oauth2/revoke",
		"scopes_supported":                      []string{"openid", "email", "phone", "profile"},
		"subject_types_supported":               []string{"public"},
		"token_endpoint":                        pages + "/oauth2/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"userinfo_endpoint":                     pages + "/oauth2/userInfo",
	}))
	n.handle(host, "/"+pool+"/.well-known/jwks.json", document(object{"keys": []object{
		keys()[0].jwk(kid, object{"alg": "RS256"}),
		keys()[1].jwk("a2vQ0fJ7c1Yw9sXbN5mT3kZr8LdHe6UpGi4oFxVqEyM=", object{"alg": "RS256"}),
	}}))

	return &Provider{Issuer: issuer, kid: kid, claims: func() object {
		return object{
			"at_hash":          "K2mJ0s6yqQ3vXb8nYw1ZtA",
			"sub":              "a3f4c8d2-5061-70b3-4e1c-9d2f7a8b6c50",
			"cognito:groups":   []string{"editors", "eu-central-1_a1B2c3D4e_Google"},
			"email_verified":   true,
			"iss":              issuer,
			"cognito:username": "alice",
			"origin_jti":       "0d3b4f1e-2a6c-4c57-9d61-5f0e8b7a9c12",
			"aud":              client,
			"event_id":         "6f1d2c3b-4a59-4e8d-b7c6-1a2b3c4d5e6f",
			"token_use":        "id",
			"auth_time":        time.Now().Unix(),
			"jti":              "c7e8f9a0-b1c2-4d3e-8f5a-6b7c8d9e0f1a",
			"email":            "alice@example.com",
		}.with(lasting(time.Hour))
	}}
}
