package caddysync

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a jwt provider needs, and what it refuses when the configuration is loaded.
func TestJWTProviderIsCheckedAtLoad(t *testing.T) {
	const public = `{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	const private = `{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`
	file := filepath.Join(t.TempDir(), "keys.json")
	require.NoError(t, os.WriteFile(file, []byte(public), 0o600))
	secret := filepath.Join(t.TempDir(), "private.json")
	require.NoError(t, os.WriteFile(secret, []byte(private), 0o600))
	t.Setenv("JWT_KEYS", file)
	const head = "issuer my-backend\n audience sync\n algorithms EdDSA\n"
	for name, test := range map[string]struct{ provider, database, want string }{
		"file":                    {head + "jwks_file " + file, "jwt b", ""},
		"file by placeholder":     {head + "jwks_file {env.JWT_KEYS}", "jwt b", ""},
		"inline":                  {head + "key `" + public + "`", "jwt b", ""},
		"address":                 {head + "jwks_url https://a.example.com/keys", "jwt b", ""},
		"unset placeholder":       {head + "jwks_file {env.JWT_UNSET}", "jwt b", "jwt b: jwks_file"},
		"no such file":            {head + "jwks_file " + file + ".missing", "jwt b", "jwt b: jwks_file: open"},
		"private key in the file": {head + "jwks_file " + secret, "jwt b", "private key"},
		"private key inline":      {head + "key `" + private + "`", "jwt b", "private key"},
		"symmetric key":           {head + "key `{\"kty\":\"oct\",\"k\":\"aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2gtaHVzaA\"}`", "jwt b", "symmetric key"},
		"HMAC":                    {"issuer x\n audience y\n algorithms HS256\n key `" + public + "`", "jwt b", "algorithm HS256 is refused"},
		"two sources":             {head + "jwks_file " + file + "\n key `" + public + "`", "jwt b", "exclude each other"},
		"no source":               {head, "jwt b", "keys are missing"},
		"no audience":             {"issuer x\n algorithms EdDSA\n key `" + public + "`", "jwt b", "audience is missing"},
		"no algorithms":           {"issuer x\n audience y\n key `" + public + "`", "jwt b", "algorithms is missing"},
		"listed as oidc":          {head + "jwks_file " + file, "oidc b", "write `jwt b`"},
		"oidc listed as jwt":      {head + "jwks_file " + file, "jwt a", "write `oidc a`"},
		"unknown":                 {head + "jwks_file " + file, "jwt c", "add `jwt c { … }` to the sync options"},
		"register, open access":   {head + "jwks_file " + file + "\n register", "jwt b", "register and no require"},
	} {
		t.Run(name, func(t *testing.T) {
			option := "store memory jwt\n" + provider + "}\njwt b {\n" + test.provider + "\n}\ndatabase notes {\n" + test.database + "\n}"
			err := validate(t, adapt(t, withGlobal(option, "sync notes")))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "nWGxne")
			require.NotContains(t, err.Error(), "aHVzaC")
		})
	}
}

func TestProvidersOfBothKindsHaveDifferentNames(t *testing.T) {
	option := "store memory names\n" + provider + "}\njwt a {\n issuer x\n audience y\n algorithms EdDSA\n jwks_url https://a.example.com/keys\n}\ndatabase notes"
	require.ErrorContains(t, validate(t, adapt(t, withGlobal(option, "sync notes"))), "oidc a and jwt a share a name")
}

// F45: a provider of nothing is refused, not skipped.
func TestF45_NullProviders(t *testing.T) {
	for _, kind := range []string{"oidc", "jwt"} {
		err := validate(t, []byte(`{"admin":{"disabled":true},"apps":{"sync":{"store":{"backend":"memory","name":"f45"},
			"`+kind+`":{"x":null},"databases":{"notes":{}}}}}`))
		require.ErrorContains(t, err, kind+" x: there is nothing in it")
	}
}

// {tenantid} in an issuer is Entra's, not one of Caddy's placeholders.
func TestDecision21_IssuerOfAllTenants(t *testing.T) {
	t.Setenv("ENTRA_TENANT", "72f988bf-86f1-41af-91ab-2d7cd011db47")
	for name, test := range map[string]struct{ words, want string }{
		"with tenants":           {"issuer https://login.microsoftonline.com/{tenantid}/v2.0\n tenants {env.ENTRA_TENANT}", ""},
		"without":                {"issuer https://login.microsoftonline.com/{tenantid}/v2.0", "write `tenants <id…>`"},
		"tenants alone":          {"issuer https://login.microsoftonline.com/common/v2.0\n tenants {env.ENTRA_TENANT}", "tenants needs {tenantid}"},
		"one tenant's own":       {"issuer https://login.microsoftonline.com/{env.ENTRA_TENANT}/v2.0", ""},
		"an unset placeholder":   {"issuer https://login.microsoftonline.com/{tenantid}/{env.ENTRA_UNSET}\n tenants {env.ENTRA_TENANT}", "issuer"},
		"another placeholder":    {"issuer https://login.microsoftonline.com/{tenant}/v2.0", "issuer"},
		"an unset tenant":        {"issuer https://login.microsoftonline.com/{tenantid}/v2.0\n tenants {env.ENTRA_UNSET}", "tenants"},
		"a tenant by its domain": {"issuer https://login.microsoftonline.com/{tenantid}/v2.0\n tenants contoso.com", "is no tenant ID"},
	} {
		t.Run(name, func(t *testing.T) {
			option := "store memory d21\noidc e {\n client_id x\n " + test.words + "\n}\ndatabase notes {\n oidc e\n}"
			err := validate(t, adapt(t, withGlobal(option, "sync notes")))
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
		})
	}
}
