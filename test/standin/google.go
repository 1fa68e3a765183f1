package standin

import (
	"net/url"
	"time"
)

// Google is accounts.google.com. Its token was made for an Android app that asked for one
// for its server: aud is the web client, azp the app.
func Google(n *Internet, webClient, secret, app, workspace string) *Provider {
	const kid = "8a63fe71e53067524cbbc6a3a58463b3864c0787"

	n.handle("accounts.google.com", "/.well-known/openid-configuration", document(object{
		"issuer":                                "https://accounts.google.com",
		"authorization_endpoint":                "https://accounts.google.com/o/oauth2/v2/auth",
		"device_authorization_endpoint":         "https://oauth2.googleapis.com/device/code",
		"token_endpoint":                        "https://oauth2.googleapis.com/token",
		"userinfo_endpoint":                     "https://openidconnect.googleapis.com/v1/userinfo",
		"revocation_endpoint":                   "https://oauth2.googleapis.com/revoke",
		"jwks_uri":                              "https://www.googleapis.com/oauth2/v3/certs",
		"response_types_supported":              []string{"code", "token", "id_token", "code id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"claims_supported":                      []string{"aud", "email", "email_verified", "exp", "iat", "iss", "name", "sub"},
		"code_challenge_methods_supported":      []string{"plain", "S256"},
	}))
	n.handle("www.googleapis.com", "/oauth2/v3/certs", document(object{"keys": []object{
		keys()[1].jwk("c8ab71530972bba20b49f78a09c9852c43ff9118", object{"alg": "RS256"}),
		keys()[0].jwk(kid, object{"alg": "RS256"}),
	}}))

	p := &Provider{Issuer: "https://accounts.google.com", kid: kid, typed: true, claims: func() object {
		return object{
			"iss": "https://accounts.google.com",
			"azp": app,
			"aud": webClient,
			"sub": "107691503500061507151",
			"hd":  workspace,

			"email":          "alice@" + workspace,
			"email_verified": true,
			"at_hash":        "HK6E_P6Dh8Y93mRNtsDB1Q",
			"name":           "Alice Liddell",
			"given_name":     "Alice",
			"picture":        "https://lh3.googleusercontent.com/a/photo",
		}.with(lasting(time.Hour))
	}}
	p.flow = flow{client: webClient, basic: true, secret: sharedSecret(webClient, secret), issParameter: true, codes: map[string]url.Values{}}
	n.handle("oauth2.googleapis.com", "/token", p.token)

	return p
}
