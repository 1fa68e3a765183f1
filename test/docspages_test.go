package test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func allPages(t *testing.T) map[string]*docpage.Page {
	t.Helper()
	root, err := harness.Root()
	require.NoError(t, err)
	pages, err := docpage.All(root)
	require.NoError(t, err)
	byPath := map[string]*docpage.Page{}
	for _, p := range pages {
		byPath[p.Path] = p
	}
	return byPath
}

// TestLinksBetweenPagesLeadSomewhere follows links to files and folders of the repository, and
// to headings of pages.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	root, err := harness.Root()
	require.NoError(t, err)
	pages := allPages(t)
	for _, page := range pages {
		for _, link := range page.Links {
			if strings.Contains(link.Target, ":") {
				continue // another host's
			}
			file, anchor, _ := strings.Cut(link.Target, "#")
			target := page.Path
			if file != "" {
				target = path.Join(path.Dir(page.Path), file)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s:%d: %s is not there", page.Path, link.Line, link.Target)
				continue
			}
			if other := pages[target]; anchor != "" && other != nil && !other.HasAnchor(anchor) {
				t.Errorf("%s:%d: %s has no heading #%s", page.Path, link.Line, target, anchor)
			}
		}
	}
}

// TestThePagesAskTheQuickstartByTheNameItAnswersTo: at 127.0.0.1:8080 it redirects, which curl does not follow. The
// scenes cannot see that, since they put a site of their own in its place.
func TestThePagesAskTheQuickstartByTheNameItAnswersTo(t *testing.T) {
	t.Parallel()
	for _, page := range allPages(t) {
		for _, block := range page.Blocks {
			if block.Language == "sh" || block.Language == "js" {
				require.NotContains(t, block.Text, "http://127.0.0.1:8080", "%s:%d", page.Path, block.Line)
			}
		}
	}
}

// TestEveryPageIsInTheIndex holds docs/README.md against the folder.
func TestEveryPageIsInTheIndex(t *testing.T) {
	t.Parallel()
	pages := allPages(t)
	linked := map[string]bool{}
	for _, link := range pages["docs/README.md"].Links {
		file, _, _ := strings.Cut(link.Target, "#")
		linked[path.Join("docs", file)] = true
	}
	for name := range pages {
		if strings.HasPrefix(name, "docs/") && name != "docs/README.md" {
			require.True(t, linked[name], "docs/README.md does not lead to %s", name)
		}
	}
}

// runElsewhere says which tests run a page's blocks, by page and language. Caddyfiles of all
// pages are loaded by TestCaddyfilesOfTheDocumentationLoad in cmd/caddy-sync; pages in scenes
// are run by TestThePagesDoWhatTheySay.
var runElsewhere = map[string][]string{
	"README.md":                 {"sh", "js"},                 // TestTheReadmesLinesWorkAsPrinted
	"docs/start-web.md":         {"html", "js"},               // TestTheFirstWebAppsOfTheDocumentationSync
	"docs/start-rxdb.md":        {"html", "js"},               // the same, and TestRxDBLosesWhatItsUserLost…
	"docs/access-control.md":    {"sh", "text", "js", "json"}, // TestCommandsOfThePagesPrintWhatTheySay, access
	"docs/design-documents.md":  {"sh", "text"},               // TestCommandsOfThePagesPrintWhatTheySay
	"docs/queries.md":           {"sh", "text"},               // the same
	"docs/operating.md":         {"sh"},                       // TestTheCommandsOfTheOperatingPageWork
	"docs/import.md":            {"sh"},                       // TestTheCommandsOfTheImportPageMoveAPouchDBServerIn
	"docs/from-sync-gateway.md": {"js"},                       // TestTheScriptForMovingOverCopiesADatabase
	"docs/http-reference.md":    {"http"},                     // TestTheHTTPReference…
}

// TestEveryBlockIsRunOrSaysWhyNot goes through the fenced blocks of the README and of docs.
func TestEveryBlockIsRunOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	for _, page := range allPages(t) {
		if page.Path != "README.md" && !strings.HasPrefix(page.Path, "docs/") {
			continue
		}
		for _, block := range page.Blocks {
			if why, ok := strings.CutPrefix(block.Note, "not run: "); ok && why != "" {
				continue
			}
			if !isRun(t, page, block) {
				t.Errorf("%s:%d: no test runs this block of %q: put the page into scenes, or <!-- not run: why --> before it", page.Path, block.Line, block.Language)
			}
		}
	}
}

// isRun reports whether a test runs a block, and checks those that have a form only.
func isRun(t *testing.T, page *docpage.Page, block docpage.Block) bool {
	t.Helper()
	if slices.Contains(runElsewhere[page.Path], block.Language) {
		return true
	}
	switch block.Language {
	case "caddyfile":
		return true
	case "json":
		decoder := json.NewDecoder(strings.NewReader(block.Text))
		for {
			var value any
			err := decoder.Decode(&value)
			if errors.Is(err, io.EOF) {
				return true
			}
			require.NoError(t, err, "%s:%d", page.Path, block.Line)
		}
	case "yaml":
		var value any
		require.NoError(t, yaml.Unmarshal([]byte(block.Text), &value), "%s:%d", page.Path, block.Line)
		return true
	case "sh", "js", "text":
		_, ok := scenes[page.Path]
		return ok
	}
	return false
}
