package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// docs/api.yaml is valid OpenAPI 3.1. That it says what the code does is tested in
// replication/rest and in auth.
func TestTheDescriptionOfTheAPIIsValid(t *testing.T) {
	t.Parallel()

	text := readFile(t, "docs", "api.yaml")
	require.Empty(t, openAPIProblems(t, text))

	// The check sees what is wrong.
	for _, c := range []struct{ what, from, to string }{
		{"a reference that leads nowhere", `#/components/schemas/Error"`, `#/components/schemas/Eror"`},
		{"a member that there is not", "summary: Read a document", "headline: Read a document"},
		{"an operation without answers", "responses:", "answers:"},
		{"an example that does not fit", "schema: {type: integer, minimum: 0, default: 0}", "schema: {type: integer, example: x}"},
	} {
		require.Contains(t, text, c.from)
		require.NotEmpty(t, openAPIProblems(t, strings.Replace(text, c.from, c.to, 1)), c.what)
	}
}

// openAPIProblems is what Redocly finds in a description.
func openAPIProblems(t *testing.T, text string) []string {
	t.Helper()

	file := filepath.Join(t.TempDir(), "api.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	node := harness.NewScript(t, harness.Script{Path: "openapi.mjs", Env: map[string]string{"FILE": file}})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	require.NoError(t, node.Wait(ctx))

	var problems []string

	for _, event := range node.Events() {
		if event.Name == "problem" {
			problems = append(problems, string(event.Data))
		}
	}

	_, err := node.Await(ctx, "checked")
	require.NoError(t, err)

	return problems
}
