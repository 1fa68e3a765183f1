package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// Bytes of a table or of the value log are not what was written. What the server answers is what was
// written, or an error; it may also refuse to start. It never says that a document is not there, and
// never answers with other bytes.
func TestADamagedFileIsNeverServedAsData(t *testing.T) {
	t.Parallel()
	s := newSite(t, harness.Options{Settings: harness.Settings{Database: oneUser, Store: "memory 64MiB\nmin_free 32MiB"}})
	j := newJournal(3000)
	documents := pick(2500, 20_000)
	for j.acknowledged() < documents {
		require.Equal(t, http.StatusCreated, j.write(t.Context(), s, "m"))
	}
	attachment := bytes.Repeat([]byte("an attachment of the value log, "), 40_000)
	status, text, err := s.do(t.Context(), http.MethodPut, "/notes/with/file", attachment)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%s", text)
	require.NoError(t, s.Stop()) // tables are written

	var files []string
	for _, kind := range []string{"*.sst", "*.vlog"} {
		found, err := filepath.Glob(filepath.Join(s.Store, kind))
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.NotEmpty(t, files)
	answered, refused, closed := 0, 0, 0
	for _, file := range files {
		whole, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, part := range pick([]int{2, 9, 10}, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
			spoilt := bytes.Clone(whole)
			at := len(written(whole))*part/10 - 64
			for i := at; i < min(at+64, len(spoilt)); i++ {
				spoilt[i] ^= 0x5a
			}
			require.NoError(t, os.WriteFile(file, spoilt, 0o600))
			if err := s.Restart(t.Context()); err != nil {
				closed++
				require.ErrorIs(t, err, harness.ErrExited)
				require.Contains(t, s.LogTail(3000), "store damaged: "+filepath.Base(file), "%s spoilt at %d", file, at)
				t.Logf("%s spoilt at %d: does not start", filepath.Base(file), at)
			} else {
				ok, errs := requireNothingWrong(t, s, j, attachment)
				answered, refused = answered+ok, refused+errs
				t.Logf("%s spoilt at %d: %d answered, %d refused", filepath.Base(file), at, ok, errs)
			}
			require.NoError(t, s.Kill())
			require.NoError(t, os.WriteFile(file, whole, 0o600))
		}
	}
	require.NoError(t, s.Restart(t.Context()))
	j.requireAll(t, s)
	require.Positive(t, refused+closed, "no damage was seen")
	require.Positive(t, answered)
}

// written is a file without the empty end for which room was made.
func written(b []byte) []byte { return bytes.TrimRight(b, "\x00") }

// requireNothingWrong reads all documents and the attachment.
func requireNothingWrong(t *testing.T, s *site, j *journal, attachment []byte) (ok, errs int) {
	t.Helper()
	for id, rev := range j.revs {
		status, text, err := s.do(t.Context(), http.MethodGet, "/notes/"+id, nil)
		switch {
		case err != nil || status >= http.StatusInternalServerError:
			errs++
			if !s.Running() {
				return ok, errs // it ended rather than go on
			}
		case status == http.StatusOK && strings.Contains(string(text), fmt.Sprintf("%q", rev)):
			require.Contains(t, string(text), textOf(id, j.size), "%s is not what was written", id)
			ok++
		default:
			require.Fail(t, "wrong data", "%s: %d %.200s", id, status, text)
		}
	}
	body, err := s.attachment(t, "/notes/with/file")
	if err == nil {
		require.True(t, bytes.Equal(attachment, body), "the attachment is not what was written")
	}
	return ok, errs
}

// attachment reads one whole; one that is cut off is an error.
func (s *site) attachment(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		require.GreaterOrEqual(t, res.StatusCode, http.StatusInternalServerError)
		return nil, fmt.Errorf("%w: %s", harness.ErrRefused, res.Status)
	}
	return io.ReadAll(res.Body)
}
