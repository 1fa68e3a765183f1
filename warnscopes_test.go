package caddysync

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestWarnsOfAUserNameThatIsNotAskedFor(t *testing.T) {
	t.Parallel()
	secret := CodeFlow{ClientSecret: "{env.SECRET}"}
	scopes := func(list ...string) CodeFlow { return CodeFlow{Scopes: list} }
	for name, test := range map[string]struct {
		claim string
		flow  CodeFlow
		write string // what the warning says to write; "" if there is none
	}{
		"of the profile":            {"preferred_username", secret, "scope openid email profile"},
		"with scopes":               {"nickname", scopes("openid", "offline_access"), "scope openid offline_access profile"},
		"the scope is there":        {"preferred_username", scopes("openid", "profile"), ""},
		"an address":                {"email", scopes("openid", "profile"), "scope openid profile email"},
		"an address, by default":    {"email", secret, ""},
		"a path":                    {"address.country", secret, "scope openid email address"},
		"sub":                       {"", secret, ""},
		"a claim of the provider's": {"oid", secret, ""},
		"apps bring tokens":         {"preferred_username", CodeFlow{}, ""},
	} {
		core, logs := observer.New(zapcore.WarnLevel)
		a := &App{logger: zap.New(core), OIDC: map[string]*Provider{"acme": {CodeFlow: test.flow, TokenRules: TokenRules{UsernameClaim: test.claim}}}}
		a.warnScopes()
		if test.write == "" {
			require.Zero(t, logs.Len(), name)
			continue
		}
		require.Equal(t, 1, logs.Len(), name)
		require.Contains(t, logs.All()[0].Message, "`"+test.write+"`", name)
		require.Equal(t, "acme", logs.All()[0].ContextMap()["provider"], name)
	}
}

func TestWarnsOfScopesWhenItIsLoaded(t *testing.T) {
	provider := "}\noidc acme {\nissuer http://127.0.0.1:9/acme\nclient_id app\nusername_claim nickname\nscope openid"
	const warning = "username_claim without its scope"
	require.Contains(t, loadLog(t, provider, "http://sync.example.com:8085", "sync notes"), warning)
	require.NotContains(t, loadLog(t, provider+" profile", "http://sync.example.com:8085", "sync notes"), warning)
}

// What people copy asks for what it needs.
func TestNoExampleLacksAScope(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("examples/*/Caddyfile")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	variable := regexp.MustCompile(`\{\$[^}]+\}`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(text), "sync_dev_idp") {
			continue // its directive is another module's, and it sends every claim
		}
		var config struct {
			Apps struct{ Sync App }
		}
		require.NoError(t, json.Unmarshal(adapt(t, variable.ReplaceAllString(string(text), "example.com")), &config), file)
		core, logs := observer.New(zapcore.WarnLevel)
		config.Apps.Sync.logger = zap.New(core)
		config.Apps.Sync.warnScopes()
		require.Empty(t, logs.All(), file)
	}
}
