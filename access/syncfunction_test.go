package access

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// alice is a user with the role editor and the channel red.
var alice = attemptWriter{&AttemptUser{Name: "alice", Roles: []string{"editor"}, Channels: []string{"red"}}}

func compile(t *testing.T, body string) *SyncFunction {
	t.Helper()
	f, err := NewSyncFunction("test.sync.js", "function (doc, oldDoc, meta) {"+body+"\n}", Options{})
	require.NoError(t, err)
	return f
}

func document(body string) *syncstore.Document {
	return &syncstore.Document{ID: "d", Rev: syncstore.Rev{Gen: 1, Digest: "a"}, Body: []byte(body)}
}

// evaluate runs a function's body on a new document of alice.
func evaluate(t *testing.T, body, doc string) (syncstore.Outcome, error) {
	t.Helper()
	return compile(t, body).Evaluate(context.Background(), syncstore.Evaluation{Writer: alice, New: document(doc)})
}

// rejected runs a function's body that must refuse.
func rejected(t *testing.T, body string) (status int, reason string) {
	t.Helper()
	outcome, err := evaluate(t, body, `{}`)
	var rejection *RejectionError
	require.ErrorAs(t, err, &rejection)
	require.ErrorIs(t, err, syncstore.ErrRejected)
	require.Empty(t, outcome)
	return rejection.Status, rejection.Reason
}

// A writer is not told what failed: it may quote documents.
func TestARefusalIsExplainedToAdministrators(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][2]string{
		`throw({forbidden: "no lists"})`: {"rejected: no lists", "rejected: no lists"},
		`throw new Error("secret")`:      {"rejected: Exception in JS sync function", "rejected: Exception in JS sync function: Error: secret"},
		`doc.items.length`:               {"rejected: Exception in JS sync function", "rejected: Exception in JS sync function: TypeError: "},
	} {
		_, err := evaluate(t, body, `{}`)
		var rejection *RejectionError
		require.ErrorAs(t, err, &rejection)
		require.Equal(t, want[0], rejection.Error())
		require.True(t, strings.HasPrefix(rejection.Explain(), want[1]), rejection.Explain())
	}
}

func TestChannelTakesStringsAndArraysAndLeavesOutTheRest(t *testing.T) {
	t.Parallel()
	outcome, err := evaluate(t, `channel("a", ["b", null, "a", 1, ["x"]], null, undefined, 7, {}, "!", "*"); channel(); channel(doc.channels)`, `{"channels":["c","é"]}`)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "!", "*", "c", "é"}, outcome.Channels)
	require.Empty(t, outcome.Grants)
}

func TestMistakesInAFunctionRefuseTheWrite(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`channel("")`, `channel("a,b")`, `channel("role:x")`, `channel(["a", ""])`, `channel("x".repeat(2000))`,
		`try { channel("") } catch (e) {}`, // what is caught is not undone
		`access("alice", "a,b")`, `access("", "a")`, `access("a/b", "a")`, `access("role:", "a")`, `access("a:b", "a")`,
		`access("bob", "role:editor")`, // would give the role
		`role("bob", "editor")`, `role("bob", "role:")`, `role("role:x", "role:y")`, `role("a,b", "role:y")`,
		`role("alice", "role:_admin")`, // would be an administrator to validate_doc_update
		`for (var i = 0; i <= 1000; i++) channel("c" + i)`,
		`for (var i = 0; i <= 1000; i++) access("u" + i, "c")`,
		`var a = []; for (var i = 0; i < 100; i++) a.push("c" + i); access(a, a)`,
		`throw "x"`, `null.x`, `throw {other: 1}`, `throw null`, `(async () => { undefined() })()`,
	} {
		status, reason := rejected(t, body)
		require.Equal(t, 500, status, body)
		require.Equal(t, "Exception in JS sync function", reason, body)
	}
}

func TestTheFunctionsOwnWordsReachTheWriter(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		status int
		reason string
	}{
		`throw({forbidden: "not yours"})`:                                        {403, "not yours"},
		`throw({unauthorized: "sign in"})`:                                       {401, "sign in"},
		`throw({forbidden: 7})`:                                                  {403, "7"},
		`throw({forbidden: null})`:                                               {403, "forbidden"},
		`throw({forbidden: {}})`:                                                 {403, "forbidden"},
		`(async () => { await 1; throw {forbidden: "later"} })()`:                {403, "later"},
		`class No extends Error { forbidden = "by a class" }; throw new No("x")`: {403, "by a class"},
		`requireUser("bob")`:                                                     {403, "sg wrong user"},
		`requireUser(["bob", "carol"])`:                                          {403, "sg wrong user"},
		`requireUser(null)`:                                                      {403, "sg wrong user"},
		`requireUser()`:                                                          {403, "sg wrong user"},
		`requireRole("boss")`:                                                    {403, "sg missing role"},
		`requireRole([])`:                                                        {403, "sg missing role"},
		`requireAccess("blue")`:                                                  {403, "sg missing channel access"},
		`requireAccess(["blue", "green"])`:                                       {403, "sg missing channel access"},
		`requireAdmin()`:                                                         {403, "sg admin required"},
	} {
		status, reason := rejected(t, body)
		require.Equal(t, want.status, status, body)
		require.Equal(t, want.reason, reason, body)
	}
}

func TestRequirementsThatAreMet(t *testing.T) {
	t.Parallel()
	_, err := evaluate(t, `requireUser("alice"); requireUser(["bob", "alice"]); requireRole("editor"); requireRole("role:editor");
		requireRole(["x", "editor"]); requireAccess("red"); requireAccess(["blue", "red"]); requireAccess("!")`, `{}`)
	require.NoError(t, err)
	f := compile(t, `requireUser("x"); requireRole("x"); requireAccess("x"); requireAdmin()`)
	_, err = f.Evaluate(context.Background(), syncstore.Evaluation{New: document(`{}`)})
	require.NoError(t, err, "an administrator passes")
	_, err = compile(t, `requireAccess("anything")`).Evaluate(context.Background(), syncstore.Evaluation{
		Writer: attemptWriter{&AttemptUser{Name: "all", Channels: []string{"*"}}}, New: document(`{}`),
	})
	require.NoError(t, err, "who sees everything passes")
	guest := attemptWriter{&AttemptUser{}}
	_, err = compile(t, `requireUser("")`).Evaluate(context.Background(), syncstore.Evaluation{Writer: guest, New: document(`{}`)})
	require.NoError(t, err, "a guest's name is empty")
	_, err = compile(t, `try { requireUser("x") } catch (e) { if (e.forbidden !== "sg wrong user") throw e }`).
		Evaluate(context.Background(), syncstore.Evaluation{Writer: guest, New: document(`{}`)})
	require.NoError(t, err, "a refusal can be caught")
}

func TestAccessAndRoleGrant(t *testing.T) {
	t.Parallel()
	outcome, err := evaluate(t, `access("bob", "a"); access(["bob", "role:editor", null], ["a", "b"]); access("carol", null); access(null, "a");
		access("dave", ["*", "c"]); role("bob", "role:boss"); role(["bob", "eve|x@y"], ["role:boss"])`, `{}`)
	require.NoError(t, err)
	require.Equal(t, []syncstore.Grant{
		{Principal: "bob", Channel: "a"}, {Principal: "bob", Channel: "b"},
		{Principal: "role:editor", Channel: "a"}, {Principal: "role:editor", Channel: "b"},
		{Principal: "dave", Channel: "c"}, // never "*"
		{Principal: "bob", Channel: "role:boss"}, {Principal: "eve|x@y", Channel: "role:boss"},
	}, outcome.Grants)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for body, want := range map[string]time.Time{
			`expiry(60)`:                      time.Now().Add(time.Minute),
			`expiry("60")`:                    time.Now().Add(time.Minute),
			`expiry(2592000)`:                 time.Now().Add(30 * 24 * time.Hour),
			`expiry(2592001)`:                 time.Unix(2592001, 0),
			`expiry("1900000000")`:            time.Unix(1900000000, 0),
			`expiry("2030-01-02T03:04:05Z")`:  time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
			`expiry(60); expiry(120)`:         time.Now().Add(2 * time.Minute),
			`expiry(null); expiry(undefined)`: {},
			`expiry()`:                        {},
			`expiry("tomorrow")`:              {},
			`expiry({}); expiry([1])`:         {},
			`expiry(-1)`:                      {},
			`expiry(0)`:                       {},
			`expiry(NaN); expiry(Infinity)`:   {},
			`expiry(1e300)`:                   {},
		} {
			outcome, err := evaluate(t, body, `{}`)
			require.NoError(t, err)
			require.True(t, want.Equal(outcome.Expires), "%s: %v", body, outcome.Expires)
		}
	})
}

func TestWhatAFunctionSees(t *testing.T) {
	t.Parallel()
	f := compile(t, `console.log(JSON.stringify(doc)); console.log(JSON.stringify(oldDoc)); console.log(JSON.stringify(meta))`)
	doc := document(`{"n":9007199254740993, "a":"\"é"}`)
	doc.ID = `a"b`
	doc.Attachments = []syncstore.Attachment{{Name: "p.jpg", ContentType: "image/jpeg", Digest: "md5-x", Content: syncstore.Content{Length: 7}, RevPos: 2}}
	old := &syncstore.Document{ID: `a"b`, Rev: syncstore.Rev{Gen: 3, Digest: "c"}, Deleted: true, Body: []byte(`{}`)}
	body := string(doc.Body)
	c, err := f.run(context.Background(), syncstore.Evaluation{New: doc, Old: old})
	require.NoError(t, err)
	require.Equal(t, []string{
		`{"_id":"a\"b","_rev":"1-a","_attachments":{"p.jpg":{"stub":true,"content_type":"image/jpeg","digest":"md5-x","length":7,"revpos":2}},"n":9007199254740992,"a":"\"é"}`,
		`{"_id":"a\"b","_rev":"3-c","_deleted":true}`,
		`{"xattrs":{}}`,
	}, c.log)
	require.Equal(t, body, string(doc.Body), "the stored document is never changed")

	c, err = f.run(context.Background(), syncstore.Evaluation{New: document(` { } `[1:4])})
	require.NoError(t, err)
	require.Equal(t, `{"_id":"d","_rev":"1-a"}`, c.log[0])
	require.Equal(t, "null", c.log[1])
}

func TestChangingTheDocumentChangesNothing(t *testing.T) {
	t.Parallel()
	f := compile(t, `doc.x = 1; delete doc.a; if (oldDoc) oldDoc.a = 2; channel(String(doc.x))`)
	doc, old := document(`{"a":1}`), document(`{"a":1}`)
	for range 2 {
		outcome, err := f.Evaluate(context.Background(), syncstore.Evaluation{New: doc, Old: old})
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, outcome.Channels)
		require.Equal(t, `{"a":1}`, string(doc.Body))
		require.Equal(t, `{"a":1}`, string(old.Body))
	}
}

func TestDetailsOfAnExceptionAreInTheLogOnly(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	f, err := NewSyncFunction("lists.sync.js", "function (doc) {\n  console.log('said', doc.n)\n  channel(7)\n  doc.secret.x()\n}", Options{Logger: zap.New(core)})
	require.NoError(t, err)
	_, err = f.Evaluate(context.Background(), syncstore.Evaluation{New: document(`{"n":1}`)})
	require.EqualError(t, err, "rejected: Exception in JS sync function")
	var messages []string
	for _, entry := range logs.All() {
		text, _ := entry.ContextMap()["text"].(string)
		messages = append(messages, entry.Level.String()+" "+entry.Message+" "+text)
	}
	require.Equal(t, []string{
		"debug the sync function says said 1",
		"warn the sync function says channel: ignored an argument that is a number, not a string or an array",
		"warn the sync function failed ",
	}, messages)
	require.Contains(t, logs.All()[2].ContextMap()["error"], "TypeError")
	require.Contains(t, logs.All()[2].ContextMap()["error"], "lists.sync.js:4:")
	require.Equal(t, "lists.sync.js", logs.All()[2].ContextMap()["file"])
}

func TestSyntaxErrorStopsTheLoad(t *testing.T) {
	t.Parallel()
	_, err := NewSyncFunction("lists.sync.js", "function (doc) {\n  channel(\n}", Options{})
	var syntax *script.SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.Contains(t, err.Error(), "lists.sync.js:3:1: ")
}

func TestVersionFollowsTheText(t *testing.T) {
	t.Parallel()
	again := compile(t, `1`).Version()
	require.Equal(t, again, compile(t, `1`).Version())
	require.NotEqual(t, compile(t, `1`).Version(), compile(t, `2`).Version())
	require.NotEqual(t, Private{}.Version(), Channels{}.Version())
}

func TestContextsErrorIsNoRejection(t *testing.T) {
	t.Parallel()
	f, err := NewSyncFunction("f.js", `function (doc) { requireUser("x") }`, Options{Runtimes: 1})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	writer := busyWriter{attemptWriter{&AttemptUser{}}, func() {
		cancel()
		_, err := f.Evaluate(ctx, syncstore.Evaluation{New: document(`{}`)})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, syncstore.ErrRejected)
	}}
	_, err = f.Evaluate(context.Background(), syncstore.Evaluation{Writer: writer, New: document(`{}`)})
	require.Error(t, err)
}

// busyWriter does something while the function asks for the name.
type busyWriter struct {
	attemptWriter
	busy func()
}

func (w busyWriter) Name() string { w.busy(); return "" }

func TestHostileSyncFunctionsAreStopped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, reason string }{
		{"endless loop", `for (;;) {}`, "JS sync function timed out"},
		{"endless loop that catches", `for (;;) { try { for (;;) {} } catch (e) {} }`, "JS sync function timed out"},
		{"channel a million times", `for (var i = 0; i < 1e6; i++) channel("c" + i)`, "Exception in JS sync function"},
		{"channel a million times, caught", `for (var i = 0; i < 1e6; i++) try { channel("c" + i) } catch (e) {}`, ""},
		{"channel of a large array", `channel(Array(1e9))`, "Exception in JS sync function"},
		{"channel of many elements", `channel(Array(1e5).fill("x"))`, ""},
		{"getter in an array", `var a = ["x"]; Object.defineProperty(a, 0, {get() { for (;;) {} }}); channel(a)`, "JS sync function timed out"},
		{"getter that calls back", `var a = []; Object.defineProperty(a, 0, {get() { channel(a); return "x" }}); channel(a)`, "Exception in JS sync function"},
		{"recursion", `(function f() { f() })()`, "Exception in JS sync function"},
		{"backtracking", `/^(a+)+$(?=x)/.test("a".repeat(50) + "b")`, "JS sync function timed out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// The bound of memory is on the process's heap, which other tests grow.
			options := Options{Time: 500 * time.Millisecond, Memory: 1 << 40, Runtimes: 1}
			f, err := NewSyncFunction("f.js", "function (doc) { if (doc.ok) { channel('ok'); return }\n"+test.body+"\n}", options)
			require.NoError(t, err)
			_, err = f.Evaluate(context.Background(), syncstore.Evaluation{New: document(`{}`)})
			var rejection *RejectionError
			require.ErrorAs(t, err, &rejection)
			require.Equal(t, 500, rejection.Status)
			if test.reason != "" {
				require.Equal(t, test.reason, rejection.Reason)
			}
			outcome, err := f.Evaluate(context.Background(), syncstore.Evaluation{New: document(`{"ok":true}`)})
			require.NoError(t, err)
			require.Equal(t, []string{"ok"}, outcome.Channels)
		})
	}
}

func TestValuesWithCodeAreNotRun(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`{toString() { channel("ran"); return "x" }}`, `{valueOf() { channel("ran") }}`, `{length: 1, 0: "x"}`,
		`new String("x")`, `Symbol("x")`, `function () {}`, `class A {}`, `new Date()`, `/x/`, `true`, `(function* () { yield "x" })()`,
		`Promise.resolve("x")`, `new Map([["x", 1]])`, `new Set(["x"])`, `arguments`,
	} {
		outcome, err := evaluate(t, `channel(`+value+`, "a"); access(`+value+`, "a"); role(`+value+`, "role:a"); expiry(`+value+`)`, `{}`)
		require.NoError(t, err, value)
		require.Equal(t, []string{"a"}, outcome.Channels, value)
		require.Empty(t, outcome.Grants, value)
		require.Zero(t, outcome.Expires, value)
	}
}
