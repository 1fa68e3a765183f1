package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// operated is a server with its administrator's site, as an operator has it.
type operated struct {
	*harness.Server
	t *testing.T
}

// ask sends a request to the administrator's site.
func (o operated) ask(ctx context.Context, method, path string, body []byte) (int, []byte) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, o.AdminURL+path, bytes.NewReader(body))
	require.NoError(o.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(o.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(o.t, err)
	return res.StatusCode, answer
}

func (o operated) get(path string) []byte {
	o.t.Helper()
	status, body := o.ask(o.t.Context(), http.MethodGet, path, nil)
	require.Equal(o.t, http.StatusOK, status, "%s: %s", path, body)
	return body
}

func (o operated) put(path, body string) {
	o.t.Helper()
	status, answer := o.ask(o.t.Context(), http.MethodPut, path, []byte(body))
	require.Equal(o.t, http.StatusCreated, status, "%s: %s", path, answer)
}

// command runs `sync` with its arguments.
func (o operated) command(args ...string) string {
	o.t.Helper()
	out, err := o.Command(o.t.Context(), append([]string{"sync"}, args...)...)
	require.NoError(o.t, err)
	return out
}

// backUp makes a whole backup, and returns its file.
func (o operated) backUp() (file string) {
	o.t.Helper()
	file = filepath.Join(o.Dir, "one.backup")
	o.command("backup", file, fmt.Sprintf("--address=localhost:%d", o.ControlPort))
	return file
}

// swap starts the server, which was stopped, with a store that was restored.
func (o operated) swap(restored string) {
	o.t.Helper()
	require.NoError(o.t, os.Rename(o.Store, filepath.Join(o.Dir, "before")))
	require.NoError(o.t, os.Rename(restored, o.Store))
	require.NoError(o.t, o.Restart(o.t.Context()))
}

// putBack stops the server, and starts it with the store that backups make.
func (o operated) putBack(backups ...string) {
	o.t.Helper()
	restored := filepath.Join(o.Dir, "restored")
	require.NoError(o.t, o.Stop())
	o.command(append([]string{"restore", "--to", restored}, backups...)...)
	o.swap(restored)
}

// lastSeq is the position of a client that has seen everything.
func (o operated) lastSeq(db string) string {
	o.t.Helper()
	var feed struct {
		LastSeq json.RawMessage `json:"last_seq"`
	}
	require.NoError(o.t, json.Unmarshal(o.get("/"+db+"/_changes"), &feed))
	return string(bytes.Trim(feed.LastSeq, `"`))
}

// TestAStoreIsBackedUpWhileItIsWrittenAndServesTheSame goes the whole way of an operator: back up
// online and go on from that, restore, check, swap, and serve.
func TestAStoreIsBackedUpWhileItIsWrittenAndServesTheSame(t *testing.T) {
	t.Parallel()
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{
		NoIDP: true, Sync: "database other", Databases: "notes other",
	}}), t}
	admin := fmt.Sprintf("--address=localhost:%d", server.ControlPort)
	file := func(name string) string { return filepath.Join(server.Dir, name) }
	attachment := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	server.put("/notes/kept", `{"n":1}`)
	server.put("/other/kept", `{"n":1}`)
	status, answer := server.ask(t.Context(), http.MethodPut, "/notes/attached/file", attachment)
	require.Equal(t, http.StatusCreated, status, string(answer))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	var written [4]int
	for w := range written {
		writers.Go(func() {
			for ctx.Err() == nil {
				status, answer := server.ask(t.Context(), http.MethodPut, fmt.Sprintf("/notes/w%d-%06d", w, written[w]), []byte(`{"text":"while it is backed up"}`))
				if status != http.StatusCreated {
					t.Errorf("a write was refused: %d %s", status, answer)
					return
				}
				written[w]++
			}
		})
	}
	server.command("backup", file("one.backup"), admin)
	server.command("backup", file("two.backup"), "--since", file("one.backup"), admin)
	stop()
	writers.Wait()
	t.Logf("%v documents were written meanwhile", written)
	server.command("backup", file("three.backup"), "--since", file("two.backup"), admin)
	want, wantOther := server.get("/notes/_all_docs?include_docs=true"), server.get("/other/_all_docs?include_docs=true")

	server.put("/notes/lost", `{}`) // after the last backup
	server.put("/other/lost", `{}`)
	seen, seenOther := server.lastSeq("notes"), server.lastSeq("other")
	require.NoError(t, server.Stop())

	server.command("restore", file("one.backup"), file("two.backup"), file("three.backup"), "--to", file("restored"))
	checked := server.command("check", file("one.backup"), file("three.backup"), file("two.backup"))
	require.Contains(t, checked, "That one was not checked before it", "two comes after three")
	require.Contains(t, checked, "That one is "+file("one.backup")+".")
	require.Contains(t, server.command("check", file("restored")), "is sound")
	require.Contains(t, server.command("check", server.Store), "is sound", "and so is what was backed up")
	server.swap(file("restored"))

	require.Equal(t, string(want), string(server.get("/notes/_all_docs?include_docs=true")))
	require.Equal(t, string(wantOther), string(server.get("/other/_all_docs?include_docs=true")))
	require.True(t, bytes.Equal(attachment, server.get("/notes/attached/file")))

	// Who has seen more than the backup has skips nothing of what is written now (DECISIONS 35).
	for db, since := range map[string]string{"notes": seen, "other": seenOther} {
		server.put("/"+db+"/new", `{}`)
		require.Contains(t, string(server.get("/"+db+"/_changes?since="+since)), `"id":"new"`, "%s since %s", db, since)
	}
}

func TestPouchDBBringsBackWhatARestoredStoreLacks(t *testing.T) {
	t.Parallel()
	server := operated{harness.New(t, harness.Options{}), t}
	script := site{Server: server.Server, issuer: server.Issuer}.start(t, "restored", nil)
	event[struct{}](t, script, "back up")
	backup := server.backUp()
	require.NoError(t, script.Tell("backed up"))
	event[struct{}](t, script, "restore")
	server.putBack(backup)
	require.NoError(t, script.Tell("restored"))
	finish(t, script)
}

// TestCheckFindsWhatWasDamaged damages files of a store, and a backup.
func TestCheckFindsWhatWasDamaged(t *testing.T) {
	t.Parallel()
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true}}), t}
	for n := range 50 {
		server.put(fmt.Sprintf("/notes/%02d", n), `{"text":"kept in a table"}`)
	}
	attachment := bytes.Repeat([]byte("kept in the value log"), 10_000)
	status, answer := server.ask(t.Context(), http.MethodPut, "/notes/attached/file", attachment)
	require.Equal(t, http.StatusCreated, status, string(answer))
	backup := server.backUp()
	_, err := server.Command(t.Context(), "sync", "check", server.Store)
	require.ErrorContains(t, err, "a server is running on it")
	require.NoError(t, server.Stop())

	damaged := func(path string, text string) (restore func()) {
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		at := bytes.LastIndex(whole, []byte(text))
		require.GreaterOrEqual(t, at, 0, "%s is not in %s", text, path)
		altered := bytes.Clone(whole)
		altered[at] ^= 1
		require.NoError(t, os.WriteFile(path, altered, 0o600))
		return func() { require.NoError(t, os.WriteFile(path, whole, 0o600)) }
	}
	check := func(path string) string {
		out, err := server.Command(t.Context(), "sync", "check", path)
		require.Error(t, err, out)
		return out
	}
	holds := func(pattern, text string) string {
		files, err := filepath.Glob(filepath.Join(server.Store, pattern))
		require.NoError(t, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			if bytes.Contains(content, []byte(text)) {
				return file
			}
		}
		require.Fail(t, "no file has "+text)
		return ""
	}

	table := holds("*.sst", "kept in a table")
	restore := damaged(table, "kept in a table")
	out := check(server.Store)
	require.Contains(t, out, "damaged: "+filepath.Base(table))
	require.Contains(t, out, "database notes: 51 documents", "what can be read all the same")
	restore()

	restore = damaged(holds("*.vlog", "kept in the value log"), "kept in the value log")
	out = check(server.Store)
	require.Contains(t, out, `document "attached": the content of an attachment`)
	require.Contains(t, out, "1 documents are damaged; the others can be saved")
	restore()

	require.NoError(t, os.Truncate(table, 100))
	require.Contains(t, check(server.Store), "Restore the newest backup.")

	require.Contains(t, server.command("check", backup), "a whole backup")
	restore = damaged(backup, "kept in a table")
	require.Contains(t, check(backup), "not a whole backup")
	_, err = server.Command(t.Context(), "sync", "restore", backup, "--to", filepath.Join(server.Dir, "restored"))
	require.ErrorContains(t, err, "not a whole backup")
	require.NoDirExists(t, filepath.Join(server.Dir, "restored"))
	restore()
	server.command("restore", backup, "--to", filepath.Join(server.Dir, "restored"))
	left, err := filepath.Glob(filepath.Join(server.Dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left beside it")
}
