package caddysync

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddysync/caddy-sync/dump"
	"github.com/stretchr/testify/require"
)

func TestACommandBelievesOnlyAnAnswerThatSaysThatItIsDone(t *testing.T) {
	t.Parallel()
	for answer, done := range map[string]bool{`{"ok":true}`: true, `{"ok":false}`: false, `{}`: false, "<html>welcome": false, "": false} {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, `{"name":"alice"}`)
				return
			}
			_, _ = io.WriteString(w, answer)
		}))
		t.Cleanup(page.Close)
		db, err := dump.NewDatabase(page.URL+"/notes", "")
		require.NoError(t, err)
		quiet := &terminal{out: io.Discard, progress: io.Discard}
		for name, act := range map[string]func() error{
			"session end":  func() error { return endSessions(t.Context(), db, []string{"alice"}, quiet) },
			"user disable": func() error { return disableUser(true)(t.Context(), db, []string{"alice"}, quiet) },
		} {
			require.Equal(t, done, act() == nil, fmt.Sprint(name, ": ", answer))
		}
	}
}
