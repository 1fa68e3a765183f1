package devidp

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/require"
)

func TestCaddyfileShortest(t *testing.T) {
	t.Parallel()

	var h Handler
	require.NoError(t, h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(`sync_dev_idp {
		issuer http://localhost:8080/idp
		client notes
		users  alice bob carol
	}`)))

	require.Equal(t, "http://localhost:8080/idp", h.Issuer)
	require.Equal(t, []Client{{ID: "notes", RedirectURIs: []string{}}}, h.Clients)
	require.Equal(t, []User{{Name: "alice"}, {Name: "bob"}, {Name: "carol"}}, h.Users)

	h.Data = t.TempDir()
	require.NoError(t, tryProvision(t, &h))
}

func TestCaddyfileFull(t *testing.T) {
	t.Parallel()

	var h Handler
	require.NoError(t, h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(`sync_dev_idp {
		issuer http://localhost:8080/idp
		client notes http://localhost:8080/ com.example.notes:/signed-in
		client other {
			secret {env.OTHER_SECRET}
			backchannel_logout http://localhost:8080/notes/_oidc_backchannel_logout
		}
		user alice {
			name  "Alice Liddell"
			email alice@corp.example unverified
			claim roles admin editor
			claim team `+"`[\"a\"]`"+`
			claim level 42
			claim groups staff
			claim realm_access `+"`{\"roles\":[\"x\"]}`"+`
		}
		users bob
		user carol
		data ./data/idp
		algorithm EdDSA
		token_lifetime 15m
	}`)))

	text, err := json.Marshal(h)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"issuer": "http://localhost:8080/idp",
		"clients": [{"id":"notes","redirect_uris":["http://localhost:8080/","com.example.notes:/signed-in"]},{"id":"other","secret":"{env.OTHER_SECRET}","backchannel_logout":"http://localhost:8080/notes/_oidc_backchannel_logout"}],
		"users": [
			{"name":"alice","claims":{
				"name":"Alice Liddell","email":"alice@corp.example","email_verified":false,
				"roles":["admin","editor"],"team":["a"],"level":42,"groups":"staff","realm_access":{"roles":["x"]}}},
			{"name":"bob"},{"name":"carol"}],
		"data": "./data/idp", "algorithm": "EdDSA", "token_lifetime": 900000000000
	}`, string(text))
	require.Equal(t, caddy.Duration(15*time.Minute), h.TokenLifetime)
}

func TestCaddyfileErrorsNameFileAndLine(t *testing.T) {
	t.Parallel()

	const head = "sync_dev_idp {\n"

	for name, s := range map[string]struct{ text, want, line string }{
		"argument":            {"sync_dev_idp notes {\n}", "argument", ":1"},
		"unknown word":        {head + "issuer http://localhost/\nisuer x\n}", `unknown word "isuer"`, ":3"},
		"repeated issuer":     {head + "issuer http://localhost/\nissuer http://localhost/\n}", "issuer is repeated", ":3"},
		"repeated users":      {head + "users a\nusers b\n}", "users is repeated", ":3"},
		"repeated data":       {head + "data a\ndata b\n}", "data is repeated", ":3"},
		"repeated algorithm":  {head + "algorithm RS256\nalgorithm RS256\n}", "algorithm is repeated", ":3"},
		"repeated lifetime":   {head + "token_lifetime 1h\ntoken_lifetime 1h\n}", "token_lifetime is repeated", ":3"},
		"repeated client":     {head + "client notes\nclient notes\n}", "client notes is listed twice", ":3"},
		"repeated user":       {head + "users alice\nuser alice\n}", "user alice is listed twice", ":3"},
		"repeated in users":   {head + "users alice alice\n}", "listed twice", ":2"},
		"repeated name":       {head + "user alice {\nname A\nname B\n}\n}", "claim name of user alice is repeated", ":4"},
		"repeated claim":      {head + "user alice {\nclaim x 1\nclaim x 2\n}\n}", "claim x of user alice is repeated", ":4"},
		"email by two words":  {head + "user alice {\nemail a@b.example\nclaim email c@d.example\n}\n}", "claim email", ":4"},
		"unknown user word":   {head + "user alice {\nrole x\n}\n}", `unknown word "role"`, ":3"},
		"reserved claim":      {head + "user alice {\nclaim iss x\n}\n}", `claim "iss"`, ":4"},
		"no issuer":           {head + "issuer\n}", "argument", ":2"},
		"two issuers":         {head + "issuer a b\n}", "argument", ":2"},
		"empty issuer":        {head + "issuer \"\"\n}", "argument", ":2"},
		"block after issuer":  {head + "issuer x {\ny\n}\n}", "no block", ":"},
		"block after users":   {head + "users x {\ny\n}\n}", "no block", ":"},
		"unknown client word": {head + "client x {\ny\n}\n}", `unknown word "y"`, ":3"},
		"repeated secret":     {head + "client x {\nsecret a\nsecret b\n}\n}", "secret of client x is repeated", ":4"},
		"no secret":           {head + "client x {\nsecret\n}\n}", "argument", ":3"},
		"bad logout URL":      {head + "client x {\nbackchannel_logout /here\n}\n}", "http or https URL", ":"},
		"logout with name":    {head + "client x {\nbackchannel_logout http://a:b@localhost/\n}\n}", "user name or password", ":"},
		"logout fragment":     {head + "client x {\nbackchannel_logout http://localhost/#x\n}\n}", "fragment", ":"},
		"block after claim":   {head + "user x {\nclaim a b {\nc\n}\n}\n}", "no block", ":"},
		"no client ID":        {head + "client\n}", "argument", ":2"},
		"bad redirect":        {head + "client notes http://evil.example/\n}", "redirect URI", ":2"},
		"no users":            {head + "users\n}", "argument", ":2"},
		"bad user name":       {head + "users a:b\n}", "user name", ":2"},
		"two user names":      {head + "user a b {\n}\n}", "argument", ":2"},
		"claim without value": {head + "user a {\nclaim x\n}\n}", "argument", ":3"},
		"email and nonsense":  {head + "user a {\nemail x@y.example verified\n}\n}", "argument", ":3"},
		"lifetime":            {head + "token_lifetime soon\n}", "token_lifetime", ":2"},
		"negative lifetime":   {head + "token_lifetime -1h\n}", "above zero", ":2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser(s.text))
			require.ErrorContains(t, err, s.want)
			require.ErrorContains(t, err, "Testfile"+s.line)
		})
	}
}

func TestCaddyfileAdapts(t *testing.T) {
	t.Parallel()

	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`http://localhost:8080 {
	bind 127.0.0.1
	respond 404
	sync_dev_idp /idp/* {
		issuer http://localhost:8080/idp
		client notes
		users alice
		data ./data/idp
	}
}
`), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	require.Empty(t, warnings)

	require.JSONEq(t, `{"apps":{"http":{"servers":{"srv0":{
		"listen":["127.0.0.1:8080"],"automatic_https":{"skip":["localhost"]},
		"routes":[{"match":[{"host":["localhost"]}],"terminal":true,"handle":[{"handler":"subroute","routes":[
			{"match":[{"path":["/idp/*"]}],"handle":[{
				"handler":"sync_dev_idp","issuer":"http://localhost:8080/idp",
				"clients":[{"id":"notes"}],"users":[{"name":"alice"}],"data":"./data/idp"}]},
			{"handle":[{"handler":"static_response","status_code":404}]}]}]}]}}}}}`, string(adapted))
}

func TestCaddyfileAdaptErrorNamesTheFile(t *testing.T) {
	t.Parallel()

	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("http://localhost {\n\tsync_dev_idp {\n\t\tusres alice\n\t}\n}\n"),
		map[string]any{"filename": "Caddyfile"})
	require.ErrorContains(t, err, "Caddyfile:3")
	require.ErrorContains(t, err, "usres")
}
