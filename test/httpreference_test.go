package test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/apidoc"
	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestTheHTTPReferenceIsWhatTheDescriptionAndTheServerSay makes docs/http-reference.md of
// docs/api.yaml and of what a server answers to the examples, and compares it with the page.
// UPDATE_GOLDEN=1 writes it anew.
func TestTheHTTPReferenceIsWhatTheDescriptionAndTheServerSay(t *testing.T) {
	t.Parallel()
	root, err := harness.Root()
	require.NoError(t, err)
	api, err := apidoc.Load(filepath.Join(root, "docs", "api.yaml"))
	require.NoError(t, err)
	examples := runHTTPExamples(t)
	for _, o := range api.Operations {
		_, ok := examples[o.String()]
		require.True(t, ok, "add an example of %s to httpExamples", o)
	}
	require.Len(t, examples, len(api.Operations), "an example of no operation: %v", slices.Sorted(maps.Keys(examples)))
	page, err := api.Markdown(examples, docpage.Anchor)
	require.NoError(t, err)
	path := filepath.Join(root, "docs", "http-reference.md")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, []byte(page), 0o600))
		return
	}
	if shown := readFile(t, "docs", "http-reference.md"); page != shown {
		is, want := strings.Split(shown, "\n"), strings.Split(page, "\n")
		for i := range min(len(is), len(want)) {
			require.Equal(t, want[i], is[i], "line %d of docs/http-reference.md; UPDATE_GOLDEN=1 go test -run HTTPReference ./test writes it anew", i+1)
		}
		require.Len(t, is, len(want), "docs/http-reference.md")
	}
}

// exampleRun sends examples one after the other.
type exampleRun struct {
	*harness.Server
	t      *testing.T
	tokens map[string]string
	kept   map[string]string
}

func runHTTPExamples(t *testing.T) map[string]apidoc.Example {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.sync.js"), []byte("function (doc) { channel(doc.channels) }\n"), 0o600))
	server := harness.New(t, harness.Options{Dir: folder, Settings: harness.Settings{
		Database: "sync_function " + filepath.Join(folder, "notes.sync.js") + "\npassword_auth\nguest", Sync: "database * {\naccess shared\n}", AdminDatabases: "*",
	}})
	run := &exampleRun{Server: server, t: t, tokens: map[string]string{}, kept: map[string]string{"issuer": server.Issuer, "admin": server.AdminURL}}
	examples := map[string]apidoc.Example{}
	// Alice has the channel * and so sees all, as in a database whose documents are shared.
	administrate(t, server, http.MethodPut, "/notes/_user/alice", `{"admin_channels":["*"],"first_use":true}`, http.StatusCreated)
	for _, e := range httpExamples {
		if example := run.send(e); e.op != "" {
			require.NotContains(t, examples, e.op, "it has two examples")
			examples[e.op] = example
		}
	}
	return examples
}

// send sends one example and returns it as the page shows it.
func (r *exampleRun) send(e httpExample) apidoc.Example {
	r.t.Helper()
	head, body, _ := strings.Cut(r.fill(e.request), "\n")
	method, path, _ := strings.Cut(head, " ")
	sent := request{method: method, url: r.URL + path, body: body, header: map[string]string{}}
	shown := "Host: sync.example.com\n"
	switch e.as {
	case "":
	case "admin":
		sent.url, shown = r.AdminURL+path, "Host: 127.0.0.1:4985\n"
	case "cookie":
		sent.header["Cookie"] = cookie(r.t, r.Server, "alice")
		shown += "Cookie: SyncGatewaySession=…\n"
	default:
		sent.header["Authorization"] = "Bearer " + r.token(e.as)
		shown += "Authorization: Bearer …\n"
	}
	if name, value, ok := strings.Cut(e.header, ": "); ok {
		sent.header[name] = value
		shown += e.header + "\n"
	} else if body != "" {
		shown += "Content-Type: application/json\n"
	}
	got := ask(r.t, r.Server, sent)
	if e.until != "" {
		eventually(r.t, 20*time.Second, func() bool {
			got = ask(r.t, r.Server, sent)
			return strings.Contains(got.body, e.until)
		})
	}
	if e.status == 0 && got.status >= 400 || e.status != 0 && got.status != e.status {
		r.t.Errorf("%s: %d: %s", head, got.status, got.body)
	}
	for name, member := range e.keep {
		found := regexp.MustCompile(`"` + member + `":"([^"]*)"`).FindStringSubmatch(got.body)
		if found == nil {
			r.t.Errorf("%s has no %s: %s", head, member, got.body)
			continue
		}
		r.kept[name] = found[1]
	}
	if body != "" {
		shown += "\n" + body
	}
	if e.brief {
		got.body = "…"
		got.header.Del("ETag")
	}
	return apidoc.Example{Request: r.mask(head + "\n" + shown), Answer: r.mask(answerText(got))}
}

func (r *exampleRun) token(user string) string {
	r.t.Helper()
	if r.tokens[user] == "" {
		token, err := r.Token(r.t.Context(), user, nil)
		require.NoError(r.t, err)
		r.tokens[user] = token
	}
	return r.tokens[user]
}

func (r *exampleRun) fill(text string) string {
	for name, value := range r.kept {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// answerText is an answer with the headers that matter.
func answerText(got reply) string {
	text := fmt.Sprintf("%d %s\n", got.status, http.StatusText(got.status))
	for _, name := range []string{"Content-Type", "ETag", "Location", "Retry-After", "Content-Disposition", "Sync-Backup-Next", "Set-Cookie", "WWW-Authenticate"} {
		if value := got.header.Get(name); value != "" && value != "application/json" {
			text += name + ": " + value + "\n"
		}
	}
	body := strings.TrimSpace(got.body)
	if len(body) > maxShown {
		body = body[:maxShown] + " …"
	}
	return text + "\n" + body
}

// maxShown is how much of an answer is shown, in bytes.
const maxShown = 900

var masks = []struct{ find, put string }{
	{`(Sync-Backup-Next: )\w+`, "${1}…"},
	{`sync-\d{8}T\d{6}Z\.backup`, "sync-20261126T200000Z.backup"},
	{`localhost(:|%3A)\d+/idp`, "login.example.com"},
	{`http://127\.0\.0\.1:\d+`, "http://127.0.0.1:4985"},
	{`http(s?)(://|%3A%2F%2F)localhost(:|%3A)\d+`, "https${2}sync.example.com"},
	{`\d{4}-\d\d-\d\dT[\d:.]+Z`, "2026-11-26T20:00:00Z"},
	{`\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT`, "Thu, 26 Nov 2026 20:00:00 GMT"},
	{`((?:started|updated)_on":)\d+`, "${1}1795723200"},
	{`(SyncGatewaySession=)[^;…]+`, "${1}…"},
	{`(sync-login-)[0-9a-f]+=[^;…]+`, "${1}…=…"},
	{`("(?:session_id|handle|token|signature|replication_id|session|instance_start_time|source|digest|uuid|server_uuid|cv|vector)":")[^"]*`, "${1}…"},
	{`("(?:active|external)":)\d+`, "${1}4096"},
	{`("uuids":\[")[^"]*`, "${1}…"},
	{`(/_session/)[\w-]{32,}`, "${1}…"},
	{`/tmp/[^"\s]*/(notes\.sync\.js)`, "$1"},
	{`(nonce|state|code_challenge)=[^&"\s]+`, "${1}=…"},
}

// mask puts what is another at each run out of a text.
func (*exampleRun) mask(text string) string {
	for _, m := range masks {
		text = regexp.MustCompile(m.find).ReplaceAllString(text, m.put)
	}
	return text
}
