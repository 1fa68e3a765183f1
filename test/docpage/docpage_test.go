package docpage_test

import (
	"testing"

	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/stretchr/testify/require"
)

const page = "# A *page*\n\nSee [this](other.md#part-two) and ![a picture](img/a.svg), not `[that](no.md)`.\n\n" +
	"## `sync` directive\n\n<!-- not run: why -->\n```sh\necho '# no heading'\n```\n\n" +
	"```caddyfile site\nsync notes\n```\n\n## `sync` directive\n\n| Word | |\n|---|---|\n| `a\\|b` | x |\n"

func TestAPageIsTakenApart(t *testing.T) {
	t.Parallel()
	p, err := docpage.Parse(page)
	require.NoError(t, err)
	require.Equal(t, []docpage.Heading{
		{Line: 1, Level: 1, Text: "A *page*", Anchor: "a-page"}, {Line: 5, Level: 2, Text: "`sync` directive", Anchor: "sync-directive"},
		{Line: 16, Level: 2, Text: "`sync` directive", Anchor: "sync-directive-1"},
	}, p.Headings)
	require.Equal(t, []docpage.Block{
		{Line: 8, Language: "sh", Note: "not run: why", Section: "sync-directive", Text: "echo '# no heading'\n"},
		{Line: 12, Language: "caddyfile", Place: "site", Section: "sync-directive", Text: "sync notes\n"},
	}, p.Blocks)
	require.Equal(t, []docpage.Link{{Line: 3, Target: "other.md#part-two"}, {Line: 3, Target: "img/a.svg"}}, p.Links)
	require.Equal(t, [][]string{{"`a|b`", "x"}}, docpage.Rows(p.Section("sync-directive-1")))
	require.True(t, p.HasAnchor("a-page"))
	require.False(t, p.HasAnchor("a"))
}

func TestABlockThatDoesNotEndIsAnError(t *testing.T) {
	t.Parallel()
	_, err := docpage.Parse("```sh\necho\n")
	require.ErrorIs(t, err, docpage.ErrOpenBlock)
}
