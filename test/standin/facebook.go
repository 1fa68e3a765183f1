package standin

import "time"

// Facebook is Limited Login: the issuer is www.facebook.com, the keys are at
// limited.facebook.com. www.facebook.com has a key of the same ID that is another one, as
// it was when the hosts parted.
func Facebook(n *Internet, app string) *Provider {
	const kid = "7f1ccf1cb3a1cf9d5d0ea6e4b2ba3f6a1b2c3d4e"

	n.handle("www.facebook.com", "/.well-known/openid-configuration", document(object{
		"issuer":                                "https://www.facebook.com",
		"authorization_endpoint":                "https://facebook.com/dialog/oauth/",
		"jwks_uri":                              "https://www.facebook.com/.well-known/oauth/openid/jwks/",
		"response_types_supported":              []string{"id_token", "token id_token"},
		"subject_types_supported":               "pairwise", // a text, not a list
		"id_token_signing_alg_values_supported": "RS256",
		"claims_supported":                      []string{"iss", "aud", "sub", "iat", "exp", "jti", "nonce", "at_hash", "name", "email", "picture"},
	}))
	n.handle("www.facebook.com", "/.well-known/oauth/openid/jwks/", document(object{"keys": []object{
		keys()[1].jwk(kid, object{"alg": "RS256"}),
	}}))
	n.handle("limited.facebook.com", "/.well-known/oauth/openid/jwks/", document(object{"keys": []object{
		keys()[0].jwk(kid, object{"alg": "RS256"}),
		keys()[1].jwk("20531d9cb3a1cf9d5d0ea6e4b2ba3f6a1b2c3d4e", object{"alg": "RS256"}),
	}}))

	return &Provider{Issuer: "https://www.facebook.com", kid: kid, typed: true, claims: func() object {
		return object{
			"iss":         "https://www.facebook.com",
			"aud":         app,
			"sub":         "104997728422575",
			"jti":         "V4qN.f10c46d1b8eea12b795c64b4d65c293a",
			"nonce":       "AEB2DAD9-0347-46F3-9D2B-0B1C7B9A6E11",
			"email":       "alice@example.com",
			"name":        "Alice Liddell",
			"given_name":  "Alice",
			"family_name": "Liddell",
			"picture":     "https://platform-lookaside.fbsbx.com/platform/profilepic/",
		}.with(lasting(time.Hour))
	}}
}
