package caddysync

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAdaptGolden adapts testdata/adapt/*.caddyfiletest: a Caddyfile, a line of dashes, and
// the JSON that comes of it. UPDATE_GOLDEN=1 writes the JSON anew.
func TestAdaptGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			input, want, found := strings.Cut(string(content), "\n----------\n")
			require.True(t, found, "no line of dashes")
			var got bytes.Buffer
			require.NoError(t, json.Indent(&got, adapt(t, input), "", "\t"))
			if os.Getenv("UPDATE_GOLDEN") != "" {
				text := input + "\n----------\n" + got.String() + "\n"
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
				return
			}
			require.Equal(t, strings.TrimSpace(want), got.String())
		})
	}
}

func TestCaddyfileErrorsHaveFileAndLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ option, site, want string }{
		"unknown word":              {"stor badger x", "", `unrecognized sync subdirective "stor", at Caddyfile:5`},
		"password_auth with a word": {"database notes {\n password_auth on\n}", "", `argument count`},
		"session secure maybe":      {"database notes {\n session {\n secure maybe\n }\n}", "", `secure is on or off, at Caddyfile:7`},
		"jwt without a name":        {"jwt", "", "argument count"},
		"jwt twice":                 {"jwt a {\n register\n}\njwt a {\n register\n}", "", "jwt a is defined twice, at Caddyfile:8"},
		"jwt typo":                  {"jwt a {\n audiences x\n}", "", `unrecognized jwt subdirective "audiences", at Caddyfile:6`},
		"jwt repeated word":         {"jwt a {\n issuer x\n issuer y\n}", "", `jwt subdirective "issuer" is repeated, at Caddyfile:7`},
		"jwt has no secrets":        {"jwt a {\n client_secret {env.X}\n}", "", `unrecognized jwt subdirective "client_secret"`},
		"jwt has no discovery":      {"jwt a {\n discovery_url https://a.example\n}", "", `unrecognized jwt subdirective "discovery_url"`},
		"audience without value":    {"jwt a {\n audience\n}", "", "argument count"},
		"key in several words":      {"jwt a {\n key kty OKP\n}", "", "key is not a JWK: write it as one argument in backquotes"},
		"key without backquotes":    {"jwt a {\n key {\"kty\": \"OKP\"}\n}", "", "key is not a JWK"},
		"block under audience":      {"jwt a {\n audience x {\n y\n }\n}", "", "audience takes no block"},
		"jwt of a database":         {"database notes {\n jwt\n}", "", "argument count"},
		"jwt of a database twice":   {"database notes {\n jwt a\n jwt b\n}", "", `database subdirective "jwt" is repeated`},
		"unknown store":             {"store floppy a", "", "sync.stores.floppy"},
		"store without path":        {"store badger", "", "argument count"},
		"store twice":               {"store memory a\nstore memory b", "", `"store" is repeated, at Caddyfile:6`},
		"unknown store option":      {"store badger x {\n compression\n}", "", `unrecognized store badger subdirective "compression", at Caddyfile:6`},
		"bad size":                  {"store badger x {\n memory lots\n}", "", `"lots" is not a size`},
		"size zero":                 {"store badger x {\n memory 0\n}", "", "a size of 0"},
		"bad sync_writes":           {"store badger x {\n sync_writes maybe\n}", "", "sync_writes is on or off"},
		"provider typo":             {"oidc a {\n registr\n}", "", `unrecognized oidc subdirective "registr", at Caddyfile:6`},
		"provider repeated word":    {"oidc a {\n register\n register\n}", "", `"register" is repeated, at Caddyfile:7`},
		"provider twice":            {"oidc a {\n register\n}\noidc a {\n register\n}", "", "oidc a is defined twice, at Caddyfile:8"},
		"provider without a name":   {"oidc", "", "argument count"},
		"flag with an argument":     {"oidc a {\n register yes\n}", "", "argument count"},
		"block under a word":        {"oidc a {\n register {\n x\n }\n}", "", "register takes no block"},
		"require without value":     {"oidc a {\n require groups\n}", "", "argument count"},
		"require twice":             {"oidc a {\n require groups x\n require groups y\n}", "", "require groups is repeated"},
		"bad duration":              {"oidc a {\n clock_skew long\n}", "", `"long" is not a duration`},
		"no time at all":            {"database a {\n limits {\n find_time 0\n }\n}", "", "duration 0s is under 1ms, at Caddyfile:7"},
		"negative duration":         {"stream_close_delay -5s", "", "is negative"},
		"replicate without a name":  {"database a {\n replicate\n}", "", "argument count"},
		"replicate both ways":       {"database a {\n replicate x {\n from http://x/a\n to http://x/a\n }\n}", "", "replicate x: write from or to, and a URL, at Caddyfile:9"},
		"replicate nowhere":         {"database a {\n replicate x\n}", "", "write from or to, and a URL"},
		"replicate twice":           {"database a {\n replicate x {\n from http://x/a\n }\n replicate x {\n from http://x/a\n }\n}", "", "replicate x is defined twice"},
		"replicate a file":          {"database a {\n replicate x {\n from file:///a/b\n }\n}", "", "not the URL of a database: it begins with http:// or https://"},
		"replicate with a password": {"database a {\n replicate x {\n from http://alice:s3cret@x/a\n }\n}", "", "the URL has credentials in it"},
		"replicate with a secret":   {"database a {\n replicate x {\n from http://x/a\n basic alice s3cret\n }\n}", "", "basic: a secret must be {env.NAME} or {file.PATH}"},
		"replicate with a token":    {"database a {\n replicate x {\n from http://x/a\n bearer s3cret\n }\n}", "", "bearer: a secret must be"},
		"replicate with two logins": {"database a {\n replicate x {\n from http://x/a\n bearer {env.A}\n cookie a {env.A}\n }\n}", "", "bearer, basic and cookie exclude one another"},
		"replicate in all at once":  {"database a {\n replicate x {\n from http://x/a\n batch 5000\n }\n}", "", "batch is 1 to 1000"},
		"replicate word":            {"database a {\n replicate x {\n filter a/b\n }\n}", "", `unrecognized replicate subdirective "filter"`},
		"database name":             {"database Notes", "", `database "Notes"`},
		"database twice":            {"database a\ndatabase a", "", "database a is defined twice"},
		"unknown access":            {"database a {\n access everyone\n}", "", "unknown access \"everyone\": write access shared, access private, access channels, or sync_function and a file, at Caddyfile:6"},
		"access and function":       {"database a {\n access private\n sync_function x.js\n}", "", "access and sync_function exclude each other: keep the one that is to judge writes, at Caddyfile:7"},
		"function and access":       {"database a {\n sync_function x.js\n access private\n}", "", "exclude each other"},
		"function without file":     {"database a {\n sync_function\n}", "", "argument count"},
		"function with a mistake":   {"database a {\n sync_function testdata/bad.sync.js\n}", "", "testdata/bad.sync.js:2:11: "},
		"collection without a name": {"database a {\n collection\n}", "", "argument count"},
		"collection's name":         {"database a {\n collection _x\n}", "", `collection "_x": write a name like items or shop.items`},
		"the default collection":    {"database a {\n collection _default\n}", "", "write its access or sync_function into the database"},
		"collection twice":          {"database a {\n collection items\n collection _default.items\n}", "", "collection items is defined twice, at Caddyfile:7"},
		"collection word":           {"database a {\n collection items {\n guest\n }\n}", "", `unrecognized collection subdirective "guest"`},
		"collection of two policies": {"database a {\n collection items {\n access shared\n sync_function x.js\n }\n}", "",
			"exclude each other"},
		"collection that says nothing": {"database a {\n sync_function x.js\n collection items\n}", "",
			"database a: collection items: the database's sync_function is not for its collections"},
		"unknown unreadable":         {"database a {\n unreadable hidden\n}", "", `unknown unreadable "hidden": write not_found or forbidden`},
		"guest with an argument":     {"database a {\n guest yes\n}", "", "argument count"},
		"unknown guest word":         {"database a {\n guest {\n roles x\n }\n}", "", `unrecognized guest subdirective "roles"`},
		"guest in no collection":     {"database a {\n guest {\n collection items x\n }\n}", "", "guest: there is no collection items: write `collection items` into the database"},
		"guest without channels":     {"database a {\n collection items\n guest {\n collection items\n }\n}", "", "argument count"},
		"guest's collection twice":   {"database a {\n guest {\n collection items x\n collection items y\n }\n}", "", "collection items stands there twice"},
		"guests who see all":         {"database a {\n access shared\n guest {\n channels x\n }\n}", "", "guest: channels x: access is shared there, so that guests see everything"},
		"guest's default collection": {"database a {\n guest {\n collection _default x\n }\n}", "", "the default collection is the database itself"},
		"unknown same_site":          {"database a {\n session {\n same_site no\n }\n}", "", `unknown same_site "no"`},
		"session repeated":           {"database a {\n session {\n lifetime 1h\n lifetime 2h\n }\n}", "", `session subdirective "lifetime" is repeated, at Caddyfile:8`},
		"a limit below off":          {"database a {\n limits {\n user_feeds -2\n }\n}", "", "not a positive number"},
		"a limit in words":           {"limits {\n feeds many\n}", "", `"many" is not a positive number`},
		"unknown limit":              {"limits {\n users 5\n}", "", `unrecognized limits subdirective "users"`},
		"unknown retention":          {"database a {\n retention {\n sessions 1d\n }\n}", "", `unrecognized retention subdirective "sessions"`},
		"retention of nothing":       {"database a {\n retention {\n tombstones 0s\n }\n}", "", "is under 1s"},
		"limit repeated":             {"database a {\n limits {\n document 1MB\n document 1MB\n }\n}", "", `"document" is repeated`},
		"bad number":                 {"database a {\n revisions -3\n}", "", "not a positive number"},
		"unknown site word":          {"", "sync notes {\n adminn\n}", `unrecognized sync subdirective "adminn"`},
		"unknown allow":              {"", "sync notes {\n admin {\n allow everybody x\n }\n}", `unrecognized allow "everybody"`},
		"loopback with value":        {"", "sync notes {\n admin {\n allow loopback x\n }\n}", "argument count"},
		"role without value":         {"", "sync notes {\n admin {\n allow role\n }\n}", "argument count"},
		"unknown cors word":          {"", "sync notes {\n cors {\n origin x\n }\n}", `unrecognized cors subdirective "origin"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, adaptError(t, withGlobal(test.option, test.site)), test.want)
		})
	}
}

func TestOptionStandsThereOnce(t *testing.T) {
	t.Parallel()
	got := adaptError(t, "{\n\tsync {\n\t\tdatabase a\n\t}\n\tsync {\n\t\tdatabase b\n\t}\n}\n")
	require.Contains(t, got, "stands there twice")
	require.Contains(t, got, "Caddyfile:5")
}

func TestDecision16_SyncStar(t *testing.T) {
	t.Setenv("DECISION16_UNSET", "")
	tests := map[string]struct{ site, want, err string }{
		"a lone star is all databases, not a matcher": {site: "sync *", want: `[{"databases":["*"],"handler":"sync"}]`},
		"with a block":                        {site: "sync * {\n admin {\n allow loopback\n }\n}", want: `"databases":["*"]`},
		"a path is a matcher":                 {site: "sync /notes/* notes", want: `"match":[{"path":["/notes/*"]}]`},
		"a named matcher is one":              {site: "@m header X y\nsync @m notes", want: `"match":[{"header":{"X":["y"]}}]`},
		"a matcher and the star":              {site: "sync /x/* *", want: `"databases":["*"]`},
		"no name":                             {site: "sync", err: "sync needs the names"},
		"an unset variable publishes nothing": {site: "sync {$DECISION16_UNSET}", err: "sync needs the names"},
		"a matcher and no name":               {site: "sync /x/*", err: "sync needs the names"},
		"the star among names":                {site: "sync notes *", err: "* stands for all databases, and alone"},
		"the star before names":               {site: "sync * notes", err: "* stands for all databases, and alone"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := withGlobal("store memory decision16\ndatabase notes", test.site)
			if test.err != "" {
				require.Contains(t, adaptError(t, text), test.err)
				return
			}
			var got bytes.Buffer
			require.NoError(t, json.Compact(&got, adapt(t, text)))
			require.Contains(t, got.String(), test.want)
		})
	}
}

func TestSyncComesBeforeRespond(t *testing.T) {
	t.Parallel()
	got := string(adapt(t, withGlobal("store memory order\ndatabase notes", "respond 404\nsync notes\nencode gzip")))
	encode, sync, respond := strings.Index(got, `"encode"`), strings.Index(got, `"handler":"sync"`), strings.Index(got, `"static_response"`)
	require.Less(t, encode, sync)
	require.Less(t, sync, respond)
}
