package caddysync

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/stretchr/testify/require"
)

func TestTryCommandShowsWhatAFunctionDoes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	function := file("notes.sync.js", `function (doc, oldDoc) {
	console.log('old', oldDoc && oldDoc.n);
	requireUser(doc.owner);
	requireRole(['staff', 'night']);
	requireAccess('in');
	channel('red', 'blue');
	access('bob', 'red');
	role('bob', 'role:staff');
}`)
	doc, old := file("doc.json", `{"_id":"a","owner":"alice","n":12345678901234567890}`), file("old.json", `{"n":1}`)
	alice := tryOptions{user: "alice", roles: repeated{"night"}, channels: repeated{"in"}, old: old}
	run := func(o tryOptions, args ...string) (trial access.Trial, err error) {
		var out bytes.Buffer
		if err = o.run(t.Context(), args, &out); out.Len() > 0 {
			require.NoError(t, json.Unmarshal(out.Bytes(), &trial))
		}
		return trial, err
	}

	trial, err := run(alice, function, doc)
	require.NoError(t, err)
	require.Equal(t, access.Trial{
		Channels: []string{"blue", "red"}, Access: map[string][]string{"bob": {"red"}},
		Roles: map[string][]string{"bob": {"role:staff"}}, Log: []string{"old 1"},
	}, trial)
	trial, err = run(tryOptions{admin: true}, function, doc)
	require.NoError(t, err)
	require.Equal(t, []string{"old null"}, trial.Log)

	trial, err = run(tryOptions{}, function, doc)
	require.ErrorIs(t, err, errNotAccepted)
	require.Equal(t, 403, trial.Status)
	require.Equal(t, "sg wrong user", trial.Exception)

	for name, c := range map[string]struct {
		options tryOptions
		args    []string
		want    string
	}{
		"syntax":              {tryOptions{}, []string{file("bad.js", "function (doc) {\n  channel(;\n}"), doc}, "bad.js:2:11: "},
		"no function":         {tryOptions{}, []string{filepath.Join(folder, "none.js"), doc}, "no such file"},
		"no document":         {tryOptions{}, []string{function, filepath.Join(folder, "none.json")}, "no such file"},
		"no JSON":             {tryOptions{}, []string{function, file("text", "text")}, "doc: "},
		"no old":              {tryOptions{old: filepath.Join(folder, "none.json")}, []string{function, doc}, "no such file"},
		"one argument":        {tryOptions{}, []string{function}, "write `try-sync-function"},
		"a guest with a role": {tryOptions{roles: repeated{"night"}}, []string{function, doc}, "--role stands with --user"},
		"a user and an admin": {tryOptions{admin: true, user: "alice"}, []string{function, doc}, "--admin stands without"},
	} {
		_, err := run(c.options, c.args...)
		require.ErrorContains(t, err, c.want, name)
	}
	require.Error(t, new(repeated).add(""))
}
