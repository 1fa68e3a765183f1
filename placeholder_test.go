package caddysync

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// Where placeholders are not replaced they would be taken as they are written, and nobody would
// have such a role or claim.
func TestPlaceholdersAreRefusedWhereTheyAreNotReplaced(t *testing.T) {
	t.Setenv("SYNC_SET", "set")
	const plain, replicate = "store memory p\ndatabase notes", "store memory p\ndatabase notes {\n replicate r {\n from https://a.example.com/db\n %s\n }\n}"
	inProvider := func(word string) string {
		return "store memory p\n" + provider + " " + word + "\n}\ndatabase notes {\n oidc a\n}"
	}
	for name, test := range map[string]struct{ option, site string }{
		"a required claim":      {inProvider("require hd {env.SYNC_SET}"), "sync notes"},
		"a claim":               {inProvider("require {env.SYNC_SET} x"), "sync notes"},
		"a prefix of names":     {inProvider("user_prefix {env.SYNC_SET}"), "sync notes"},
		"a claim with names":    {inProvider("username_claim {file.name}"), "sync notes"},
		"a claim with roles":    {inProvider("roles_claim {env.SYNC_SET}"), "sync notes"},
		"a claim with channels": {inProvider("channels_claim x.{env.SYNC_SET}"), "sync notes"},
		"a scope":               {inProvider("scope openid {env.SYNC_SET}"), "sync notes"},
		"a jwt provider": {
			"store memory p\njwt b {\n issuer b\n audience x\n algorithms EdDSA\n jwks_url https://a.example.com/keys\n roles_claim {env.SYNC_SET}\n}\ndatabase notes {\n jwt b\n}",
			"sync notes",
		},
		"guests' channels":            {"store memory p\ndatabase notes {\n guest {\n channels {env.SYNC_SET}\n }\n}", "sync notes"},
		"guests' channels beside":     {"store memory p\ndatabase notes {\n collection c\n guest {\n collection c {env.SYNC_SET}\n }\n}", "sync notes"},
		"an administrator's role":     {plain, "sync notes {\n admin {\n allow role {env.SYNC_SET}\n }\n}"},
		"an administrator's scope":    {plain, "sync notes {\n admin {\n allow scope {env.SYNC_SET}\n }\n}"},
		"an administrator's claim":    {plain, "sync notes {\n admin {\n allow claim org {env.SYNC_SET}\n }\n}"},
		"a role for other handlers":   {plain, "route {\n sync_auth notes {\n require role {env.SYNC_SET}\n }\n}"},
		"whose replication it is":     {fmt.Sprintf(replicate, "user {env.SYNC_SET}"), "sync notes"},
		"the channels of replication": {fmt.Sprintf(replicate, "channels {env.SYNC_SET}"), "sync notes"},
		"a name at another server":    {fmt.Sprintf(replicate, "basic {env.SYNC_SET} {env.SYNC_SET}"), "sync notes"},
		"a name for a session there":  {fmt.Sprintf(replicate, "cookie {env.SYNC_SET} {env.SYNC_SET}"), "sync notes"},
		"a database there":            {"store memory p\ndatabase notes {\n replicate r {\n to https://a.example.com/{env.SYNC_SET}\n }\n}", "sync notes"},
		"a server":                    {"store memory p\ndatabase notes {\n replicate r {\n to {env.SYNC_SET}\n }\n}", "sync notes"},
		"a path prefix":               {plain, "sync notes {\n path_prefix /{env.SYNC_SET}\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, adaptAndValidate(withGlobal(test.option, test.site)), "is not replaced here")
		})
	}
}

// adaptAndValidate is the first error of either.
func adaptAndValidate(text string) error {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	var c caddy.Config
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	return caddy.Validate(&c)
}
