package caddysync

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// loadLog runs a configuration with a site and returns what Caddy logged.
func loadLog(t *testing.T, database, address, site string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	config := adapt(t, fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		output file %s
	}
	sync {
		store memory warnings
		database notes {
			guest
			access shared
			%s
		}
	}
}
%s {
	bind 127.0.0.1
	%s
}
`, file, database, address, site))
	require.NoError(t, caddy.Load(config, true))
	require.NoError(t, caddy.Stop())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "store is open")
	return string(text)
}

var filteredLog = func() string {
	query := ""
	for _, name := range []string{"code", "state", "refresh_token", "id_token_hint", "id_token", "access_token", "token"} {
		query += "\t\t\treplace " + name + " X\n"
	}
	log := ""
	for _, field := range []string{"request>uri", "request>headers>Referer", "resp_headers>Location"} {
		log += "\t\t" + field + " query {\n" + query + "\t\t}\n"
	}
	return "log {\n\tformat filter {\n" + log + "\t\trequest>headers>Sec-Websocket-Protocol delete\n\t}\n}\n"
}()

func TestDecision15_WarnsWhenTheAccessLogLacksTheFilter(t *testing.T) {
	tests := map[string]struct {
		site string
		want bool
	}{
		"no access log":         {"sync notes", false},
		"a log as it comes":     {"log\nsync notes", true},
		"a log in JSON":         {"log {\n format json\n}\nsync notes", true},
		"the filter":            {filteredLog + "sync notes", false},
		"without the headers":   {"log {\n format filter {\n request>uri delete\n }\n}\nsync notes", true},
		"without refresh_token": {strings.Replace(filteredLog, "replace refresh_token X", "", 1) + "sync notes", true},
		"without id_token_hint": {strings.Replace(filteredLog, "replace id_token_hint X", "", 1) + "sync notes", true},
		"without access_token":  {strings.Replace(filteredLog, "replace access_token X", "", 1) + "sync notes", true},
		"the URI is deleted":    {"log {\n format filter {\n request>uri delete\n request>headers delete\n resp_headers delete\n }\n}\nsync notes", false},
		"without Location":      {strings.Replace(filteredLog, "resp_headers>Location", "resp_headers>X", 1) + "sync notes", true},
		"without Referer":       {strings.Replace(filteredLog, "request>headers>Referer", "request>headers>X", 1) + "sync notes", true},
		"without all of them":   {"log {\n format filter {\n request>uri delete\n request>headers delete\n }\n}\nsync notes", true},
		"a site inside handle":  {"log\nhandle /api/* {\n sync notes {\n path_prefix /api\n }\n}", true},
		"another site's log":    {"log\nrespond 404", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := loadLog(t, "", "http://sync.example.com:8085", test.site)
			if test.want {
				require.Contains(t, log, "lacks the filter")
			} else {
				require.NotContains(t, log, "lacks the filter")
			}
		})
	}
}

func TestDecision15_WarnsOfLoggedCredentials(t *testing.T) {
	config := `{
	admin off
	persist_config off
	auto_https off
	log {
		output file %s
	}
	servers {
		log_credentials
	}
	sync {
		store memory credentials
		database notes
	}
}
http://sync.example.com:8085 {
	bind 127.0.0.1
	%s
	sync notes
}
`
	file := filepath.Join(t.TempDir(), "log")
	require.NoError(t, caddy.Load(adapt(t, fmt.Sprintf(config, file, filteredLog)), true))
	require.NoError(t, caddy.Stop())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "log_credentials writes session cookies")
}

func TestDecision12_WarnsOfCookiesThatAreNotSent(t *testing.T) {
	cors := func(origin, credentials string) string {
		return "sync notes {\n cors {\n origins " + origin + "\n " + credentials + "\n }\n}"
	}
	all := func(site string) string { return strings.Replace(site, "notes", "*", 1) }
	tests := map[string]struct {
		database, address, site string
		want                    bool
	}{
		"same site":               {"", "http://sync.example.com:8085", cors("https://app.example.com", "credentials"), false},
		"another site":            {"", "http://sync.example.com:8085", cors("https://app.example.org", "credentials"), true},
		"without credentials":     {"", "http://sync.example.com:8085", cors("https://app.example.org", ""), false},
		"a public suffix":         {"", "http://a.github.io:8085", cors("https://b.github.io", "credentials"), true},
		"same_site none":          {"session {\n same_site none\n}", "http://sync.example.com:8085", cors("https://app.example.org", "credentials"), false},
		"same_site strict":        {"session {\n same_site strict\n}", "http://sync.example.com:8085", cors("https://app.example.org", "credentials"), true},
		"no sessions":             {"session {\n off\n}", "http://sync.example.com:8085", cors("https://app.example.org", "credentials"), false},
		"all":                     {"", "http://sync.example.com:8085", all(cors("https://app.example.org", "credentials")), true},
		"all with same_site none": {"session {\n same_site none\n}", "http://sync.example.com:8085", all(cors("https://app.example.org", "credentials")), false},
		"development on a laptop": {"", "http://localhost:8085", cors("http://localhost:5173", "credentials"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := loadLog(t, test.database, test.address, test.site)
			if test.want {
				require.Contains(t, log, "cors credentials without effect")
			} else {
				require.NotContains(t, log, "cors credentials without effect")
			}
		})
	}
}

func TestA32BitSystemIsWarnedOfWhatAStoreCannotOutgrow(t *testing.T) {
	t.Parallel()
	core, logged := observer.New(zap.InfoLevel)
	warnAddresses(zap.New(core), 64)
	require.Empty(t, logged.All())
	warnAddresses(zap.New(core), 32)
	require.Len(t, logged.FilterLevelExact(zap.WarnLevel).FilterMessageSnippet("32-bit").All(), 1)
}
