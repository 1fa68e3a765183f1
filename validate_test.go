package caddysync

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

const provider = "oidc a {\n issuer https://login.example.com\n client_id x\n"

func TestValidateRefuses(t *testing.T) {
	tests := map[string]struct{ option, site, want string }{
		"no store":                 {"database notes", "sync notes", "there is no store"},
		"no database":              {"store memory v", "sync notes", "there is no database"},
		"a database named twice":   {"store memory v\ndatabase notes", "sync notes notes", "named twice"},
		"a name that cannot be":    {"store memory v\ndatabase notes", "sync {env.DB}", "no name of a database"},
		"an http issuer":           {"store memory v\noidc a {\n issuer http://login.example.com\n client_id x\n}\ndatabase notes", "sync notes", "use https"},
		"an issuer that is no URL": {"store memory v\noidc a {\n issuer login.example.com\n client_id x\n}\ndatabase notes", "sync notes", "not a URL"},
		"an unset issuer":          {"store memory v\noidc a {\n issuer {env.UNSET_ISSUER}\n client_id x\n}\ndatabase notes", "sync notes", "issuer"},
		"no client_id":             {"store memory v\noidc a {\n issuer https://login.example.com\n}\ndatabase notes", "sync notes", "client_id is missing"},
		"an unknown provider":      {"store memory v\ndatabase notes {\n oidc b\n}", "sync notes", "there is no provider of that name"},
		"revisions that differ":    {"store memory v\ndatabase notes {\n revisions 10\n}\ndatabase other {\n revisions 20\n}", "sync notes", "database other: revisions is 20 here and 10 in notes: databases of one store keep the same number"},
		"a limit too large":        {"store memory v\ndatabase notes {\n limits {\n document 1GB\n }\n}", "sync notes", "limits document is over"},
		"a path_prefix":            {"store memory v\ndatabase notes", "sync notes {\n path_prefix api/\n}", "path_prefix"},
		"cors without origins":     {"store memory v\ndatabase notes", "sync notes {\n cors {\n credentials\n }\n}", "no origins"},
		"cors with a path":         {"store memory v\ndatabase notes", "sync notes {\n cors {\n origins https://a.example.com/app\n }\n}", "not an origin"},
		"a header with its colon":  {"store memory v\ndatabase notes", "sync notes {\n cors {\n origins https://a.example.com\n headers X-Trace:\n }\n}", "is not the name of one header"},
		"headers in one text":      {"store memory v\ndatabase notes", "sync notes {\n cors {\n origins https://a.example.com\n headers \"X-A, X-B\"\n }\n}", "is not the name of one header"},
		"any origin with cookies":  {"store memory v\ndatabase notes", "sync notes {\n cors {\n origins *\n credentials\n }\n}", "cannot be used with credentials"},
		"little memory":            {"store badger " + filepath.Join(t.TempDir(), "s") + " {\n memory 1MB\n}\ndatabase notes", "sync notes", "memory of the store is under"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, validate(t, adapt(t, withGlobal(test.option, test.site))), test.want)
		})
	}
}

// TestTheDefaultNumberOfRevisionsMayBeWritten: in one database, while others leave it out.
func TestTheDefaultNumberOfRevisionsMayBeWritten(t *testing.T) {
	require.NoError(t, validate(t, adapt(t, withGlobal("store memory v\ndatabase notes {\n revisions 1000\n}\ndatabase other", "sync notes"))))
	require.ErrorContains(t, validate(t, adapt(t, withGlobal("store memory v\ndatabase notes\ndatabase other {\n revisions 10\n}", "sync notes"))),
		"database other: revisions is 10 here and 1000 in notes")
}

// TestUnknownDatabaseIsNamedWithItsLine: a typo in a site is shown where it stands, with what
// there is; a configuration in JSON has no lines.
func TestUnknownDatabaseIsNamedWithItsLine(t *testing.T) {
	const words = "database note: " + "no such database in the sync option: there are: lists, notes"
	text := withGlobal("store memory v\ndatabase notes\ndatabase lists", "sync note")
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	require.ErrorContains(t, err, words)
	require.Regexp(t, `, at Caddyfile:\d+`, err.Error())

	config := adapt(t, strings.Replace(text, "sync note\n", "sync notes\n", 1))
	require.ErrorContains(t, validate(t, bytes.Replace(config, []byte(`["notes"]`), []byte(`["note"]`), 1)), words)
}

// TestDurationsWithoutAUnitAreRefused: Caddy takes a number in JSON for nanoseconds. 90 days in seconds would have all
// tombstones removed at once, which no device would learn of.
func TestDurationsWithoutAUnitAreRefused(t *testing.T) {
	const database = `"databases":{"notes":{%s}}`
	provider := func(rules string) string {
		return fmt.Sprintf(database, `"oidc":["a"]`) + `,"oidc":{"a":{"issuer":"https://login.example.com","client_ids":["x"],` + rules + `}}`
	}
	badger := func(option string) string {
		return fmt.Sprintf(database, "") + `,"store":{"backend":"badger","path":"` + t.TempDir() + `",` + option + `}`
	}
	for name, test := range map[string]struct{ app, site, want string }{
		"tombstones":         {app: fmt.Sprintf(database, `"retention":{"tombstones":7776000}`), want: "database notes: retention tombstones 7.776ms is under 1s"},
		"old_revisions":      {app: fmt.Sprintf(database, `"retention":{"old_revisions":3600}`), want: "retention old_revisions"},
		"local_documents":    {app: fmt.Sprintf(database, `"retention":{"local_documents":7776000}`), want: "retention local_documents"},
		"lost_access":        {app: fmt.Sprintf(database, `"retention":{"lost_access":-1}`), want: "retention lost_access"},
		"lifetime":           {app: fmt.Sprintf(database, `"session":{"lifetime":3600}`), want: "session lifetime"},
		"idle":               {app: fmt.Sprintf(database, `"session":{"idle":3600}`), want: "session idle"},
		"find_time":          {app: fmt.Sprintf(database, `"limits":{"find_time":10}`), want: "limits find_time"},
		"max_token_age":      {app: provider(`"max_token_age":3600`), want: "max_token_age"},
		"clock_skew":         {app: provider(`"clock_skew":30`), want: "clock_skew"},
		"gc":                 {app: badger(`"gc":600`), want: "gc of the store"},
		"stream_close_delay": {app: fmt.Sprintf(database, "") + `,"stream_close_delay":60`, want: "stream_close_delay"},
		"max_age":            {app: fmt.Sprintf(database, ""), site: `,"cors":{"origins":["*"],"max_age":600}`, want: "cors max_age"},
		"with units": {app: fmt.Sprintf(database, `"retention":{"tombstones":"90d"},"limits":{"find_time":"500ms"}`) +
			`,"stream_close_delay":0`, site: `,"cors":{"origins":["*"],"max_age":"10m"}`},
	} {
		t.Run(name, func(t *testing.T) {
			store := `"store":{"backend":"memory","name":"units"},`
			if strings.Contains(test.app, `"store"`) {
				store = ""
			}
			err := validate(t, []byte(`{"admin":{"disabled":true},"apps":{"sync":{`+store+test.app+`},
				"http":{"servers":{"a":{"routes":[{"handle":[{"handler":"sync","databases":["notes"]`+test.site+`}]}]}}}}}`))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestSiteNeedsTheGlobalOption(t *testing.T) {
	config := adapt(t, "{\n\tadmin off\n}\nhttp://127.0.0.1:0 {\n\tsync notes\n}\n")
	require.ErrorContains(t, validate(t, config), "the global option sync is missing")
}

func TestNamedDatabaseMayComeUnderThePolicyOfAll(t *testing.T) {
	require.NoError(t, validate(t, adapt(t, withGlobal("store memory any\ndatabase *", "sync later"))))
}

func TestDecision8_OpenRegistrationIsRefused(t *testing.T) {
	const option = "store memory d8\n" + provider + "%s}\ndatabase notes {\n oidc a\n %s\n}"
	tests := map[string]struct {
		provider, database string
		ok                 bool
	}{
		"register and nothing else":    {" register\n", "", false},
		"register and access in words": {" register\n", "access shared", true},
		"another word":                 {" register\n", "access private", true},
		"channels":                     {" register\n", "access channels", true},
		"a function":                   {" register\n", "sync_function testdata/good.sync.js", true},
		"register for some":            {" register\n require groups staff\n", "", true},
		"no register":                  {"", "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := validate(t, adapt(t, withGlobal(fmt.Sprintf(option, test.provider, test.database), "sync notes")))
			if test.ok {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "register and no require")
			}
		})
	}
}

func TestDecision9_AdminNeedsAllow(t *testing.T) {
	got := adaptError(t, withGlobal("store memory d9\ndatabase notes", "sync notes {\n admin {\n read_only\n }\n}"))
	require.Contains(t, got, "there is no allow")
	require.Contains(t, got, "Caddyfile:")
	require.ErrorContains(t, validate(t, []byte(`{"admin":{"disabled":true},"apps":{
		"sync":{"store":{"backend":"memory","name":"d9"},"databases":{"notes":{}}},
		"http":{"servers":{"a":{"routes":[{"handle":[{"handler":"sync","databases":["notes"],"admin":{}}]}]}}}}}`)),
		"there is no allow")
}

func TestDecision12_AdminRefusesCORS(t *testing.T) {
	got := adaptError(t, withGlobal("store memory d12\ndatabase notes",
		"sync notes {\n admin {\n allow loopback\n }\n cors {\n origins https://a.example.com\n }\n}"))
	require.Contains(t, got, "admin and cors exclude each other")
	require.ErrorContains(t, validate(t, []byte(`{"admin":{"disabled":true},"apps":{
		"sync":{"store":{"backend":"memory","name":"d12"},"databases":{"notes":{}}},
		"http":{"servers":{"a":{"routes":[{"handle":[{"handler":"sync","databases":["notes"],
			"admin":{"loopback":true},"cors":{"origins":["https://a.example.com"]}}]}]}}}}}`)),
		"admin and cors exclude each other")
}

func TestDecision15_LiteralSecretsAreRefused(t *testing.T) {
	const key = "MDEyMzQ1Njc4OWFiY2RlZg=="
	t.Setenv("D15_SECRET", "hush-hush")
	t.Setenv("D15_KEY", key)
	t.Setenv("D15_SHORT", "c2hvcnQ=")
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
	require.NoError(t, os.WriteFile(file+".empty", []byte("\n\n"), 0o600))
	folder := t.TempDir()
	secret := func(text string) string {
		return "store memory d15\n" + provider + " client_secret " + text + "\n}\ndatabase notes"
	}
	encrypted := func(text string) string {
		return "store badger " + folder + " {\n encryption_key " + text + "\n}\ndatabase notes"
	}
	tests := map[string]struct{ option, want string }{
		"secret by variable":          {secret("{env.D15_SECRET}"), ""},
		"secret by file":              {secret("{file." + file + "}"), ""},
		"literal secret":              {secret("hush-hush"), ErrLiteralSecret.Error()},
		"secret expanded when parsed": {secret("{$D15_SECRET}"), ErrLiteralSecret.Error()},
		"half a placeholder":          {secret("hush-{env.D15_SECRET}"), ErrLiteralSecret.Error()},
		"unset variable":              {secret("{env.D15_UNSET}"), "client_secret"},
		"missing file":                {secret("{file." + file + ".missing}"), "client_secret"},
		"file without a secret":       {secret("{file." + file + ".empty}"), "client_secret: {file." + file + ".empty} is empty"},
		"key by variable":             {encrypted("{env.D15_KEY}"), ""},
		"key by file":                 {encrypted("{file." + file + "}"), ""},
		"file without a key":          {encrypted("{file." + file + ".empty}"), "encryption_key: {file." + file + ".empty} is empty"},
		"literal key":                 {encrypted(key), ErrLiteralSecret.Error()},
		"key of a wrong length":       {encrypted("{env.D15_SHORT}"), "it must have 16, 24 or 32"},
		"key that is not base64":      {encrypted("{env.D15_SECRET}"), "not base64"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := validate(t, adapt(t, withGlobal(test.option, "sync notes")))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hush-hush")
			require.NotContains(t, err.Error(), key)
		})
	}
}

func TestDecision19_StoreFolderIsMadeThenResolved(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	folderMade := filepath.Join(folder, "real", "store")
	key, err := canonicalFolder(folderMade)
	require.NoError(t, err)
	info, err := os.Stat(folderMade)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	link := filepath.Join(folder, "link")
	require.NoError(t, os.Symlink(filepath.Join(folder, "real"), link))
	for _, path := range []string{filepath.Join(link, "store"), folderMade + "/", filepath.Join(folder, "real", "..", "link", "store")} {
		same, err := canonicalFolder(path)
		require.NoError(t, err)
		require.Equal(t, key, same, path)
	}
}

func TestBadgerRefusesOtherOptionsWhileOpen(t *testing.T) {
	t.Parallel()
	off := false
	opened := &Badger{key: "/k"}
	require.NoError(t, (&Badger{key: "/k", MemoryBytes: 128 << 20}).Reconfigure(opened), "the default in words")
	for name, other := range map[string]*Badger{
		"memory": {MemoryBytes: 1 << 30}, "min_free": {MinFree: 1}, "sync_writes": {SyncWrites: &off},
		"encryption_key": {secret: []byte("0123456789abcdef")}, "gc": {GC: caddy.Duration(1)},
	} {
		err := other.Reconfigure(opened)
		require.ErrorIs(t, err, ErrRestartNeeded)
		require.ErrorContains(t, err, name)
	}
	require.ErrorIs(t, (&Badger{}).Reconfigure(new(memoryStore)), ErrRestartNeeded)
}
