package standin

import (
	"net/url"
	"strings"
	"time"
)

// Entra is login.microsoftonline.com, asked for the organizations of all tenants: its
// documents have {tenantid} where tokens have the tenant.
func Entra(n *Internet, client, secret, tenant string) *Provider {
	const (
		host   = "login.microsoftonline.com"
		issuer = "https://" + host + "/{tenantid}/v2.0"
		kid    = "9GmnyFPkhc3hOuR22mvSvgnLo7Y"
	)

	n.handle(host, "/organizations/v2.0/.well-known/openid-configuration", document(object{
		"token_endpoint":                        "https://" + host + "/organizations/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"jwks_uri":                              "https://" + host + "/organizations/discovery/v2.0/keys",
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"issuer":                                issuer,
		"request_uri_parameter_supported":       false,
		"userinfo_endpoint":                     "https://graph.microsoft.com/oidc/userinfo",
		"authorization_endpoint":                "https://" + host + "/organizations/oauth2/v2.0/authorize",
		"http_logout_supported":                 true,
		"frontchannel_logout_supported":         true,
		"end_session_endpoint":                  "https://" + host + "/organizations/oauth2/v2.0/logout",
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nonce", "name", "tid", "ver"},
		"tenant_region_scope":                   nil,
		"cloud_instance_name":                   "microsoftonline.com",
	}))

	// Keys have no alg, but the issuer whose tokens they sign.
	of := func(k *key) object { return k.certified().with(object{"issuer": issuer, "x5t#S256": Without}) }
	n.handle(host, "/organizations/discovery/v2.0/keys", document(object{"keys": []object{
		keys()[1].jwk("kWbkha1UYMgZtXHNbQb0vXzq5Aw", of(keys()[1])),
		keys()[0].jwk(kid, of(keys()[0])),
	}}))

	p := &Provider{Issuer: strings.Replace(issuer, "{tenantid}", tenant, 1), kid: kid, typed: true, claims: func() object {
		return object{
			"ver":                "2.0",
			"iss":                strings.Replace(issuer, "{tenantid}", tenant, 1),
			"sub":                "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
			"aud":                client,
			"nbf":                time.Now().Unix(),
			"name":               "Alice Liddell",
			"preferred_username": "alice@contoso.com",
			"oid":                "00000000-0000-0000-66f3-3332eca7ea81",
			"tid":                tenant,
			"roles":              []string{"Notes.Editor"},
			"uti":                "fqiBqXLPj0eQa82S-IYFAA",
			"rh":                 "0.AS8A",
			"aio":                "Df2UVXL1ix",
		}.with(lasting(time.Hour))
	}}
	p.flow = flow{client: client, basic: true, secret: sharedSecret(client, secret), codes: map[string]url.Values{}}
	n.handle(host, "/organizations/oauth2/v2.0/token", p.token)

	return p
}
