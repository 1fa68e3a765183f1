package access

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"github.com/stretchr/testify/require"
)

func try(t *testing.T, evaluator syncstore.Evaluator, attempt string) string {
	t.Helper()
	var a Attempt
	require.NoError(t, json.Unmarshal([]byte(attempt), &a))
	trial, err := Try(context.Background(), evaluator, a)
	require.NoError(t, err)
	text, err := json.Marshal(trial)
	require.NoError(t, err)
	return string(text)
}

func TestTryShowsWhatAFunctionWouldDo(t *testing.T) {
	t.Parallel()
	f := compile(t, `
		console.log(doc._id, oldDoc && oldDoc.owner)
		requireRole("editor")
		requireAccess("red")
		channel(doc.channels, 7)
		access(doc.members, "list")
		access("role:editor", "list")
		role(doc.owner, "role:boss")
		expiry("2030-01-02T03:04:05Z")`)
	require.Equal(t, `{"channels":["a","b"],"access":{"bob":["list"],"carol":["list"],"role:editor":["list"]},"roles":{"alice":["role:boss"]},`+
		`"expiry":"2030-01-02T03:04:05Z","log":["d alice","channel: ignored an argument that is a number, not a string or an array"]}`,
		try(t, f, `{"doc":{"_id":"d","_rev":"2-x","channels":["b","a","b"],"members":["bob","carol"],"owner":"alice"},
			"oldDoc":{"owner":"alice"},"userCtx":{"name":"alice","roles":["editor"],"channels":["red"]}}`))
	require.Equal(t, `{"channels":[],"access":{},"roles":{},"status":403,"exception":"sg missing role","explanation":"bob has no role editor","log":["x null"]}`,
		try(t, f, `{"doc":{"_id":"x"},"userCtx":{"name":"bob"}}`))
}

// What the fixed texts of refusals leave out.
func TestTryExplainsWhatTheWriterLacks(t *testing.T) {
	t.Parallel()
	for code, explanation := range map[string]string{
		`requireUser("alice")`:                             "alice has to write this, and not bob",
		`requireUser(["alice", "carol"])`:                  "alice or carol has to write this, and not bob",
		`requireRole(["role:editor", "boss"])`:             "bob has none of the roles editor, boss",
		`requireAccess("red")`:                             "bob has no access to channel red",
		`requireAccess(["a", "b", "c", "d", "e", "f"])`:    "bob has access to none of the channels a, b, c, d, e, …",
		`requireAccess(doc.list)`:                          "requireAccess was called without a name, so that only an administrator may write this",
		`requireAdmin()`:                                   "only an administrator may write this, and not bob",
		`throw {forbidden: "not on Sundays"}`:              "",
		`try { requireAdmin() } catch (err) {}; doc.x.y()`: "",
		`try { requireAdmin() } catch (err) {}`:            "",
	} {
		var trial Trial
		require.NoError(t, json.Unmarshal([]byte(try(t, compile(t, code), `{"doc":{},"userCtx":{"name":"bob"}}`)), &trial))
		require.Equal(t, explanation, trial.Explanation, code)
	}
	require.Contains(t, try(t, compile(t, `requireAccess("red")`), `{"doc":{},"userCtx":{"name":""}}`), `"explanation":"a guest has no access to channel red"`)
}

func TestTryShowsTheDetailsOfAnException(t *testing.T) {
	t.Parallel()
	f := compile(t, "\n  console.log('before'); doc.x.y()")
	var trial Trial
	require.NoError(t, json.Unmarshal([]byte(try(t, f, `{"doc":{}}`)), &trial))
	require.Equal(t, 500, trial.Status)
	require.Contains(t, trial.Exception, "Exception in JS sync function: TypeError: ")
	require.Contains(t, trial.Exception, "test.sync.js:2:")
	require.Equal(t, []string{"before"}, trial.Log)
}

func TestTryOfPoliciesWithoutCode(t *testing.T) {
	t.Parallel()
	require.Equal(t, `{"channels":["user:alice"],"access":{"alice":["user:alice"]},"roles":{},"log":[]}`,
		try(t, Private{}, `{"doc":{},"userCtx":{"name":"alice"}}`))
	require.Equal(t, `{"channels":["a"],"access":{},"roles":{},"log":[]}`, try(t, Channels{}, `{"doc":{"channels":"a"}}`))
	require.Equal(t, `{"channels":[],"access":{},"roles":{},"log":[]}`, try(t, nil, `{"doc":{}}`))
	require.Equal(t, `{"channels":[],"access":{},"roles":{},"status":403,"exception":"sign in to write here","log":[]}`,
		try(t, Private{}, `{"doc":{},"userCtx":{"name":""}}`))
}

func TestTryRefusesWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[string]error{
		`{}`:                              jsondoc.ErrNotObject,
		`{"doc":null}`:                    jsondoc.ErrNotObject,
		`{"doc":[]}`:                      jsondoc.ErrNotObject,
		`{"doc":{},"oldDoc":1}`:           jsondoc.ErrNotObject,
		`{"doc":{"a":1,"a":2}}`:           jsondoc.ErrDuplicate,
		`{"doc":{"_id":1}}`:               jsondoc.ErrNotString,
		`{"doc":{"_rev":"x"}}`:            syncstore.ErrBadRevision,
		`{"doc":{"_exp":"soon"}}`:         errNotATime,
		`{"doc":{"_attachments":"none"}}`: jsondoc.ErrNotObject,
	} {
		var a Attempt
		require.NoError(t, json.Unmarshal([]byte(attempt), &a))
		_, err := Try(context.Background(), nil, a)
		require.ErrorIs(t, err, want, attempt)
	}
}

func TestTryPassesAttachmentsAndDeletion(t *testing.T) {
	t.Parallel()
	f := compile(t, `console.log(JSON.stringify(doc))`)
	require.Contains(t, try(t, f, `{"doc":{"_id":"d","_deleted":true,"_attachments":{"a":{"content_type":"text/plain","length":3,"stub":true,"revpos":1}}}}`),
		`{\"_id\":\"d\",\"_deleted\":true,\"_attachments\":{\"a\":{\"stub\":true,\"content_type\":\"text/plain\",\"digest\":\"\",\"length\":3,\"revpos\":1}}}`)
}
