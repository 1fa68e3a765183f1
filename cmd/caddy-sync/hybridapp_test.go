package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

const hybridApp = examples + "/cordova/"

// widget is what these tests look at in Cordova's config.xml.
type widget struct {
	XMLName     xml.Name     `xml:"http://www.w3.org/ns/widgets widget"`
	ID          string       `xml:"id,attr"`
	Version     string       `xml:"version,attr"`
	Name        string       `xml:"name"`
	Content     content      `xml:"content"`
	Preferences []preference `xml:"preference"`
	Platforms   []platform   `xml:"platform"`
}

type content struct {
	Src string `xml:"src,attr"`
}

type preference struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type platform struct {
	Name        string       `xml:"name,attr"`
	Preferences []preference `xml:"preference"`
}

// preference is a preference of a platform, or else of all.
func (w widget) preference(platform, name string) string {
	for _, p := range w.Platforms {
		for _, q := range p.Preferences {
			if p.Name == platform && q.Name == name {
				return q.Value
			}
		}
	}
	for _, p := range w.Preferences {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func readHybridApp(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(hybridApp + name)
	require.NoError(t, err)
	return string(text)
}

// TestHybridAppFitsTogether checks what stands in several files of the example and must be
// the same: ID, scheme, origins and addresses.
func TestHybridAppFitsTogether(t *testing.T) {
	t.Parallel()
	var app widget
	require.NoError(t, xml.Unmarshal([]byte(readHybridApp(t, "config.xml")), &app))
	require.Regexp(t, `^[a-z]+(\.[a-z]+)+$`, app.ID, "a reverse domain name is also a URL scheme (RFC 8252 section 7.1)")
	require.Regexp(t, `^\d+\.\d+\.\d+$`, app.Version)
	require.NotEmpty(t, app.Name)
	require.FileExists(t, hybridApp+"www/"+app.Content.Src)

	var npm struct {
		Cordova struct {
			Plugins   map[string]map[string]string
			Platforms []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(readHybridApp(t, "package.json")), &npm))
	oauth := npm.Cordova.Plugins["cordova-plugin-oauth"]
	require.Equal(t, app.ID, oauth["URL_SCHEME"])
	redirect := app.ID + "://" + oauth["URL_HOSTNAME"]
	require.Contains(t, readHybridApp(t, "www/js/config.js"), "redirectURI: '"+redirect+"'")

	caddyfile := readHybridApp(t, "Caddyfile")
	require.Contains(t, caddyfile, "client notes "+redirect+"\n")
	require.ElementsMatch(t, []string{"android", "ios"}, npm.Cordova.Platforms)
	origins := regexp.MustCompile(`origins (.+)\n`).FindStringSubmatch(caddyfile)
	require.NotNil(t, origins)
	for _, platform := range npm.Cordova.Platforms {
		require.Contains(t, origins[1], app.preference(platform, "scheme")+"://"+app.preference(platform, "hostname"))
	}
}

// TestHybridAppsPageRunsItsOwnScriptsOnly checks the page's Content-Security-Policy.
func TestHybridAppsPageRunsItsOwnScriptsOnly(t *testing.T) {
	t.Parallel()
	page := readHybridApp(t, "www/index.html")
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]+)">`).FindStringSubmatch(page)
	require.NotNil(t, policy)
	require.NotContains(t, policy[1], "unsafe")
	require.NotContains(t, policy[1], "*")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'none'"} {
		require.Contains(t, policy[1], want)
	}
	// Whom the app talks with is whom it may talk with.
	connect := regexp.MustCompile(`connect-src ([^;]+)`).FindStringSubmatch(policy[1])
	require.NotNil(t, connect)
	for _, address := range regexp.MustCompile(`(?m)^\s+(?:database|issuer): '(https?://[^/']+)`).FindAllStringSubmatch(readHybridApp(t, "www/js/config.js"), -1) {
		require.Contains(t, connect[1], address[1])
	}
	require.NotRegexp(t, `(?i)<script>|\son[a-z]+=|\sstyle=|javascript:`, page)
}

// TestHybridAppPinsItsPackages: a range would let a plugin with access to the Keychain
// change unseen.
func TestHybridAppPinsItsPackages(t *testing.T) {
	t.Parallel()
	var npm struct {
		Dependencies    map[string]string
		DevDependencies map[string]string
		Cordova         struct{ Plugins map[string]any }
	}
	require.NoError(t, json.Unmarshal([]byte(readHybridApp(t, "package.json")), &npm))
	require.NotEmpty(t, npm.Dependencies["pouchdb"])
	exact := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	for _, list := range []map[string]string{npm.Dependencies, npm.DevDependencies} {
		for name, version := range list {
			require.Regexp(t, exact, version, name)
		}
	}
	for name := range npm.Cordova.Plugins {
		require.Contains(t, npm.DevDependencies, name)
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	require.NoError(t, json.Unmarshal([]byte(readHybridApp(t, "package-lock.json")), &lock))
	require.Equal(t, npm.Dependencies["pouchdb"], lock.Packages["node_modules/pouchdb"].Version)
}
