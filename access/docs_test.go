package access

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// docsBlock is a fenced block of JavaScript, or of JSON with the policy that it is about.
var docsBlock = regexp.MustCompile("(?ms)^```(js|json)( [a-z]+)?\n(.*?)^```$")

// TestFunctionsOfTheDocumentationDoWhatItSays runs the functions of docs/access-control.md.
// Below each are lines in pairs: a write, and what comes of it without the members that are
// empty. "…" ends a text of which no more is said.
func TestFunctionsOfTheDocumentationDoWhatItSays(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/access-control.md")
	require.NoError(t, err)
	var policy syncstore.Evaluator
	functions, writes := 0, 0
	for _, block := range docsBlock.FindAllStringSubmatch(string(page), -1) {
		kind, about, text := block[1], strings.TrimSpace(block[2]), block[3]
		switch {
		case kind == "js":
			policy, err = NewSyncFunction("docs.js", text, Options{})
			require.NoError(t, err, text)
			functions++
			continue
		case about == "private":
			policy = Private{}
		case about == "channels":
			policy = Channels{}
		}
		lines := bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			write := lines.Text()
			require.True(t, lines.Scan(), "no outcome of %s", write)
			requireOutcome(t, policy, write, lines.Text())
			writes++
		}
	}
	require.GreaterOrEqual(t, functions, 6)
	require.GreaterOrEqual(t, writes, 2*functions)
}

func requireOutcome(t *testing.T, policy syncstore.Evaluator, write, want string) {
	t.Helper()
	var attempt Attempt
	require.NoError(t, json.Unmarshal([]byte(write), &attempt), write)
	trial, err := Try(context.Background(), policy, attempt)
	require.NoError(t, err, write)
	var stated Trial
	require.NoError(t, json.Unmarshal([]byte(want), &stated), want)
	require.ElementsMatch(t, stated.Channels, trial.Channels, write)
	if len(stated.Access)+len(trial.Access) > 0 {
		require.Equal(t, stated.Access, trial.Access, write)
	}
	if len(stated.Roles)+len(trial.Roles) > 0 {
		require.Equal(t, stated.Roles, trial.Roles, write)
	}
	require.Equal(t, stated.Expiry, trial.Expiry, write)
	require.Equal(t, stated.Status, trial.Status, "%s: %s", write, trial.Exception)
	requireText(t, stated.Exception, trial.Exception)
	require.Len(t, trial.Log, len(stated.Log), write)
	for i, line := range stated.Log {
		requireText(t, line, trial.Log[i])
	}
}

// requireText compares a text with what is stated, up to its "…".
func requireText(t *testing.T, stated, got string) {
	t.Helper()
	if begin, more := strings.CutSuffix(stated, "…"); more {
		require.True(t, strings.HasPrefix(got, begin), "%q does not begin with %q", got, begin)
		return
	}
	require.Equal(t, stated, got)
}
