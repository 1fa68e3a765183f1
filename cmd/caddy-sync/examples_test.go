package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/require"
)

const examples = "../../examples"

// variables are what the examples' environment variables are set to.
var variables = map[string]string{
	"SYNC_DOMAIN": "example.com",

	"APPLE_BUNDLE_ID":        "com.example.notes",
	"APPLE_KEY_ID":           "ABC123DEFG",
	"APPLE_SERVICES_ID":      "com.example.notes.web",
	"APPLE_TEAM_ID":          "DEF123GHIJ",
	"AUTH0_CLIENT_IDS":       "mobile-ios mobile-android",
	"AUTH0_DOMAIN":           "acme.eu.auth0.com",
	"COGNITO_CLIENT_IDS":     "3n4b5urk1ft4fl3mg5e62d9ado",
	"COGNITO_REGION":         "eu-central-1",
	"COGNITO_USER_POOL":      "eu-central-1_a1B2c3D4e",
	"ENTRA_CLIENT_ID":        "6731de76-14a6-49ae-97bc-6eba6914391e",
	"ENTRA_CLIENT_SECRET":    "an entra secret",
	"ENTRA_TENANTS":          "b9419818-09af-49c2-b0c3-653adc1f376e 72f988bf-86f1-41af-91ab-2d7cd011db47",
	"FACEBOOK_APP_ID":        "530053863835233",
	"GOOGLE_IOS_CLIENT_ID":   "1008719970978-ios.apps.googleusercontent.com",
	"GOOGLE_CLIENT_ID":       "1008719970978-web.apps.googleusercontent.com",
	"GOOGLE_CLIENT_SECRET":   "a google secret",
	"GOOGLE_WORKSPACE":       "example.com",
	"KEYCLOAK_APP_IDS":       "notes-app",
	"KEYCLOAK_CLIENT_ID":     "notes-web",
	"KEYCLOAK_CLIENT_SECRET": "a keycloak secret",
	"KEYCLOAK_REALM":         "https://sso.example.com/realms/notes",

	"BACKEND_ISSUER":    "https://login.plant.example",
	"OIDC_CLIENT_IDS":   "notes-ios notes-android",
	"OIDC_ISSUER":       "https://login.example.com",
	"PROXY_RANGES":      "10.0.0.0/8",
	"SECOND_CLIENT_IDS": "orders-app",
	"SECOND_ISSUER":     "https://login.example.net",
	"PLANT_DOMAIN":      "plant.example",
}

// example is one example, adapted in its own folder.
type example struct {
	folder string
	text   []byte
	config caddy.Config
	json   []byte
}

// eachExample runs a test for every example. The variables are for the whole process, so
// that these tests do not run in parallel.
func eachExample(t *testing.T, test func(t *testing.T, e example)) {
	t.Helper()
	folders, err := filepath.Glob(examples + "/*/Caddyfile")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(folders), 9)
	for name, value := range variables {
		t.Setenv(name, value)
	}
	for _, path := range folders {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, name := range regexp.MustCompile(`\{\$(\w+)|\{env\.(\w+)`).FindAllSubmatch(text, -1) {
				require.Contains(t, variables, string(name[1])+string(name[2]), "set it in this test")
			}
			e := example{folder: filepath.Dir(path), text: text}
			adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": path})
			require.NoError(t, err)
			require.Empty(t, warnings)
			e.json = adapted
			require.NoError(t, json.Unmarshal(adapted, &e.config))
			test(t, e)
		})
	}
}

func TestExamplesAreFormatted(t *testing.T) {
	eachExample(t, func(t *testing.T, e example) {
		t.Helper()
		require.Equal(t, string(caddyfile.Format(e.text)), string(e.text), "run caddy fmt")
	})
}

// TestDecision19_ExamplesProvision provisions every example as `caddy validate` does, from
// a folder like its own: every path in it is relative to that.
func TestDecision19_ExamplesProvision(t *testing.T) {
	eachExample(t, func(t *testing.T, e example) {
		t.Helper()
		for _, path := range regexp.MustCompile(`(?m)^\s*(?:store badger|data|jwks_file|client_secret_key) (\S+)`).FindAllSubmatch(e.text, -1) {
			require.True(t, strings.HasPrefix(string(path[1]), "./"), "%s does not lie in the example's folder", path[1])
		}
		t.Setenv("XDG_DATA_HOME", t.TempDir())
		t.Setenv("XDG_CONFIG_HOME", t.TempDir())
		functions := readFunctions(t, e)
		t.Chdir(t.TempDir())
		writeKeys(t, e.text)
		for name, text := range functions {
			require.NoError(t, os.WriteFile(name, text, 0o600))
		}
		require.NoError(t, caddy.Validate(&e.config))
	})
}

// readFunctions reads the sync functions that an example names.
func readFunctions(t *testing.T, e example) map[string][]byte {
	t.Helper()
	functions := make(map[string][]byte)
	for _, name := range regexp.MustCompile(`(?m)^\s*sync_function (\S+)`).FindAllSubmatch(e.text, -1) {
		require.Equal(t, filepath.Base(string(name[1])), string(name[1]), "it lies in the example's folder")
		text, err := os.ReadFile(filepath.Join(e.folder, string(name[1])))
		require.NoError(t, err)
		functions[string(name[1])] = text
	}
	return functions
}

// writeKeys makes the key files that an example names, which its reader makes or downloads.
func writeKeys(t *testing.T, caddyfile []byte) {
	t.Helper()
	for _, file := range regexp.MustCompile(`(?m)^\s*(jwks_file|client_secret_key) (\S+)`).FindAllSubmatch(caddyfile, -1) {
		text := []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"example","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
		if string(file[1]) == "client_secret_key" {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			der, err := x509.MarshalPKCS8PrivateKey(key)
			require.NoError(t, err)
			text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(string(file[2])), 0o700))
		require.NoError(t, os.WriteFile(string(file[2]), text, 0o600))
	}
}

// server is what these tests look at in a server of the HTTP app.
type server struct {
	Listen []string        `json:"listen"`
	Logs   json.RawMessage `json:"logs"`
	Routes json.RawMessage `json:"routes"`
}

func servers(t *testing.T, e example) map[string]server {
	t.Helper()
	var http struct {
		Servers map[string]server `json:"servers"`
	}
	require.NoError(t, json.Unmarshal(e.config.AppsRaw["http"], &http))
	require.NotEmpty(t, http.Servers)
	return http.Servers
}

// TestDecision10_LoopbackSitesAreBound checks what a site address alone does not do: that
// a site for this machine listens on loopback only.
func TestDecision10_LoopbackSitesAreBound(t *testing.T) {
	eachExample(t, func(t *testing.T, e example) {
		t.Helper()
		found := 0
		for name, s := range servers(t, e) {
			if !bytes.Contains(s.Routes, []byte(`"loopback":true`)) && !bytes.Contains(s.Routes, []byte(`"sync_dev_idp"`)) {
				continue
			}
			found++
			require.NotEmpty(t, s.Listen, name)
			for _, address := range s.Listen {
				require.True(t, strings.HasPrefix(address, "127.0.0.1:"), "%s listens on %s", name, address)
			}
		}
		require.Positive(t, found, "every example has an administrator's site")
	})
}

// TestDecision15_ExamplesFilterTheirLogs checks that every site of every example logs with
// the same filter. What the filter does is tested by TestDecision15_PlantedSecrets.
func TestDecision15_ExamplesFilterTheirLogs(t *testing.T) {
	snippet := regexp.MustCompile(`(?ms)^\(sync_log\) \{\n.*?^\}\n`)
	reference, err := os.ReadFile(examples + "/quickstart/Caddyfile")
	require.NoError(t, err)
	// The quickstart's goes to a file, off the terminal.
	quiet := func(text []byte) string {
		return strings.Replace(string(snippet.Find(text)), "\t\toutput file ./data/access.log\n", "", 1)
	}
	want := quiet(reference)
	require.NotEmpty(t, want)
	eachExample(t, func(t *testing.T, e example) {
		t.Helper()
		require.Equal(t, want, quiet(e.text))
		sites := regexp.MustCompile(`(?m)^[^\s#(}{].* \{$`).FindAllIndex(e.text, -1)
		require.NotEmpty(t, sites)
		require.Equal(t, len(sites), bytes.Count(e.text, []byte("\timport sync_log\n")), "sites without the filter")
		require.NotContains(t, string(e.json), "should_log_credentials")
	})
}

func TestExamplesEndWithNotFound(t *testing.T) {
	eachExample(t, func(t *testing.T, e example) {
		t.Helper()
		for name, s := range servers(t, e) {
			require.Contains(t, string(s.Routes), `"status_code":404`, name)
		}
	})
}

// TestQuickstartIsWhatTheReadmeSays pins what others rely on.
func TestQuickstartIsWhatTheReadmeSays(t *testing.T) {
	eachExample(t, func(t *testing.T, e example) {
		t.Helper()
		if !strings.HasSuffix(t.Name(), "/quickstart") {
			t.Skip("about the quickstart")
		}
		listening := make([]string, 0, 2)
		for _, s := range servers(t, e) {
			listening = append(listening, s.Listen...)
		}
		require.ElementsMatch(t, []string{"127.0.0.1:8080", "127.0.0.1:4985"}, listening)
		require.Equal(t, "localhost:2020", e.config.Admin.Listen)
		require.False(t, *e.config.Admin.Config.Persist)
		for _, want := range []string{`"issuer":"http://localhost:8080/idp"`, `"register":true`, `"notes":{`, `"path":"./data"`} {
			require.Contains(t, string(e.json), want)
		}
		for _, user := range []string{"alice", "bob", "carol"} {
			require.Contains(t, string(e.json), fmt.Sprintf(`"name":%q`, user))
		}
	})
}
