package caddysync

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// behaviours is how many rows of Sync Gateway's behaviour there are (F1 to F105).
const behaviours = 105

// TestEveryBehaviourIsPinnedOrADifference looks for the number of every row: cited by a test,
// or in a row of docs/differences-from-sync-gateway.md, which says why ours is better, or that the
// feature is not there yet.
func TestEveryBehaviourIsPinnedOrADifference(t *testing.T) {
	t.Parallel()
	found := make(map[int]bool)
	note := func(text string) {
		for _, m := range regexp.MustCompile(`\bF(\d{1,3})(?:-(\d{1,3}))?(?:\b|_)`).FindAllStringSubmatch(text, -1) {
			first, _ := strconv.Atoi(m[1])
			last, err := strconv.Atoi(m[2])
			if err != nil {
				last = first
			}
			for n := first; n <= last; n++ {
				found[n] = true
			}
		}
	}
	page, err := os.ReadFile("docs/differences-from-sync-gateway.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| F") {
			note(line)
		}
	}
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && (entry.Name() == "node_modules" || entry.Name() == ".git") {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, "_test.go") || path == "behaviours_test.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		note(strings.NewReplacer("TestF", "F", "_F", " F", "F row ", "F", "F rows ", "F").Replace(string(text)))
		return err
	})
	require.NoError(t, err)
	var missing []int
	for n := 1; n <= behaviours; n++ {
		if !found[n] {
			missing = append(missing, n)
		}
	}
	require.Empty(t, missing, "rows of section F that no test and no difference names")
}
