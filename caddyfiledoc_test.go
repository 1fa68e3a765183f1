package caddysync

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/stretchr/testify/require"
)

// documentedBlock is a block of the Caddyfile and its entry in docs/caddyfile.md.
type documentedBlock struct {
	// name is what the parser calls the block in its errors.
	name string
	// open is what stands before a word of it, close what stands behind.
	open, close string
	// sections are the anchors of the entries whose tables have its words.
	sections []string
	// fields is what it becomes in JSON.
	fields any
	// silent are fields that no word sets alone.
	silent []string
}

const (
	inSync     = "{\n sync {\n"
	inDatabase = inSync + "database notes {\n"
	inSite     = ":8080 {\n"
)

// documentedBlocks are all blocks. A new one belongs here and into the page.
func documentedBlocks() []documentedBlock {
	return []documentedBlock{
		{name: "sync", open: inSync, close: "\n}\n}", sections: []string{"sync-the-global-option"}, fields: App{}},
		{name: "store badger", open: inSync + "store badger x {\n", close: "\n}\n}\n}", sections: []string{"store-badger"}, fields: Badger{}, silent: []string{"path"}},
		{name: "oidc", open: inSync + "oidc a {\n", close: "\n}\n}\n}", sections: []string{"oidc", "tokens"}, fields: Provider{}},
		{name: "jwt", open: inSync + "jwt a {\n", close: "\n}\n}\n}", sections: []string{"jwt", "tokens"}, fields: JWTProvider{}},
		{name: "database", open: inDatabase, close: "\n}\n}\n}", sections: []string{"database"}, fields: Database{}},
		{name: "collection", open: inDatabase + "collection a {\n", close: "\n}\n}\n}\n}", sections: []string{"collection"}, fields: Collection{}},
		{name: "guest", open: inDatabase + "guest {\n", close: "\n}\n}\n}\n}", sections: []string{"guest"}, fields: GuestAccess{}},
		{name: "session", open: inDatabase + "session {\n", close: "\n}\n}\n}\n}", sections: []string{"session"}, fields: Session{}},
		{name: "limits", open: inDatabase + "limits {\n", close: "\n}\n}\n}\n}", sections: []string{"limits-of-a-database"}, fields: Limits{}},
		{name: "retention", open: inDatabase + "retention {\n", close: "\n}\n}\n}\n}", sections: []string{"retention"}, fields: Retention{}},
		{name: "replicate", open: inDatabase + "replicate a {\n", close: "\n}\n}\n}\n}", sections: []string{"replicate"}, fields: Replication{}},
		{name: "limits", open: inSync + "limits {\n", close: "\n}\n}\n}", sections: []string{"limits-of-the-server"}, fields: ServerLimits{}},
		{name: "sync", open: inSite + "sync notes {\n", close: "\n}\n}", sections: []string{"sync-the-directive"}, fields: Handler{}, silent: []string{"databases"}},
		{name: "admin", open: inSite + "sync notes {\nadmin {\n", close: "\n}\n}\n}", sections: []string{"admin"}, fields: Admin{}},
		{name: "cors", open: inSite + "sync notes {\ncors {\n", close: "\n}\n}\n}", sections: []string{"cors"}, fields: CORS{}},
		{name: "sync_auth", open: inSite + "sync_auth notes {\n", close: "\n}\n}", sections: []string{"sync_auth"}, fields: AuthProvider{}, silent: []string{"database"}},
	}
}

func caddyfilePage(t *testing.T) *docpage.Page {
	t.Helper()
	page, err := docpage.Read(".", "docs/caddyfile.md")
	require.NoError(t, err)
	return page
}

// rowsOf are the rows of a block's tables: the word, its JSON, its default, what it means.
func (b *documentedBlock) rows(t *testing.T, page *docpage.Page) [][]string {
	t.Helper()
	var rows [][]string
	for _, section := range b.sections {
		found := docpage.Rows(page.Section(section))
		require.NotEmpty(t, found, "docs/caddyfile.md has no table under #%s", section)
		rows = append(rows, found...)
	}
	return rows
}

// wordOf is the first word of a table's first cell: of "`cookie <name>`" it is cookie.
func wordOf(cell string) string { return regexp.MustCompile(`[a-z_]+`).FindString(cell) }

// accepts reports whether the parser knows a word in the block, whatever it says of its arguments.
func (b *documentedBlock) accepts(word string) bool {
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(b.open+word+b.close), map[string]any{"filename": "Caddyfile"})
	return err == nil || !strings.Contains(err.Error(), "unrecognized "+b.name+" subdirective "+strconv.Quote(word))
}

// TestTheCaddyfilePageHasEveryWord asks the parser, in each block, about every word that the
// package's source compares anything with, and holds what it accepts against the page's table.
func TestTheCaddyfilePageHasEveryWord(t *testing.T) {
	t.Parallel()
	page, source := caddyfilePage(t), readSource(t)
	require.Greater(t, len(source.words), 80)
	grammar := strings.Join(page.Section("grammar"), "\n")
	names := map[string]bool{}
	for _, b := range documentedBlocks() {
		names[b.name] = true
		var accepted, documented []string
		for word := range source.words {
			if b.accepts(word) {
				accepted = append(accepted, word)
				require.Regexp(t, `(?m)^\s*([\w|]+\|)?`+word+`\b|^.*\|`+word+`\b`, grammar, "the grammar has it")
			}
		}
		for _, row := range b.rows(t, page) {
			if word := wordOf(row[0]); !slices.Contains(documented, word) && !isDirective(row[0]) {
				documented = append(documented, word)
			}
		}
		require.ElementsMatch(t, accepted, documented, "the block %s: what the parser accepts, and what stands under #%s", b.name, b.sections[0])
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(source.blocks)), slices.Collect(maps.Keys(names)), "the parser's blocks, and those with an entry")
}

// isDirective reports whether a row is about the directive itself and not about a word of
// its block.
func isDirective(cell string) bool {
	return slices.ContainsFunc([]string{"`store badger ", "`sync ", "`sync_auth "}, func(p string) bool { return strings.HasPrefix(cell, p) })
}

// TestTheCaddyfilePageHasEveryField holds the fields of the JSON configuration against the
// tables' column JSON.
func TestTheCaddyfilePageHasEveryField(t *testing.T) {
	t.Parallel()
	page := caddyfilePage(t)
	seen := map[reflect.Type]bool{reflect.TypeFor[RequireHandler](): true, reflect.TypeFor[ClientSecretKey](): true, reflect.TypeFor[ReplicationLogin](): true}
	for _, b := range documentedBlocks() {
		kind := reflect.TypeOf(b.fields)
		seen[kind] = true
		var documented []string
		for _, row := range b.rows(t, page) {
			cell, _, _ := strings.Cut(row[1], " of ")
			for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cell, -1) {
				if cell == row[1] {
					documented = append(documented, name[1])
				}
			}
		}
		require.ElementsMatch(t, jsonNames(kind), documented, "the fields of %s, and those under #%s", kind, b.sections[0])
	}
	for _, b := range documentedBlocks() {
		for _, kind := range structsIn(reflect.TypeOf(b.fields)) {
			require.True(t, seen[kind], "%s has no entry", kind)
		}
	}
}

// jsonNames are the names of a struct's fields in JSON, those of embedded structs too.
func jsonNames(kind reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(kind) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// structsIn are this package's structs that fields of JSON lead to.
func structsIn(kind reflect.Type) []reflect.Type {
	var found []reflect.Type
	for _, field := range reflect.VisibleFields(kind) {
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Map || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if field.Tag.Get("json") != "" && inner.Kind() == reflect.Struct && inner.PkgPath() == kind.PkgPath() {
			found = append(found, inner)
		}
	}
	return found
}

// source is what the package's code says of the Caddyfile.
type source struct {
	words  map[string]bool // that a switch compares with
	blocks map[string]bool // that parseBlock is called for
}

func readSource(t *testing.T) source {
	t.Helper()
	s := source{words: map[string]bool{}, blocks: map[string]bool{}}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, s.inspect)
	}
	return s
}

func (s source) inspect(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CaseClause:
		for _, e := range n.List {
			if word, ok := literal(e); ok && regexp.MustCompile(`^[a-z_]+$`).MatchString(word) {
				s.words[word] = true
			}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "parseBlock" && len(n.Args) > 1 {
			if name, ok := literal(n.Args[1]); ok {
				s.blocks[name] = true
			}
		}
	}
	return true
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// TestTheCaddyfilePageShowsTheJSON adapts the examples of docs/caddyfile.md and compares them
// with the JSON beside each. UPDATE_GOLDEN=1 writes the JSON anew.
func TestTheCaddyfilePageShowsTheJSON(t *testing.T) {
	t.Parallel()
	page := caddyfilePage(t)
	text, err := os.ReadFile("docs/caddyfile.md")
	require.NoError(t, err)
	updated := string(text)
	examples := map[string]string{}
	for i, block := range page.Blocks {
		if block.Language != "caddyfile" {
			continue
		}
		require.Less(t, i+1, len(page.Blocks))
		shown := page.Blocks[i+1]
		require.Equal(t, "json", shown.Language, "line %d: the JSON stands beside the Caddyfile", block.Line)
		got := adaptFragment(t, block.Place, block.Text)
		examples[block.Section] += block.Text
		if os.Getenv("UPDATE_GOLDEN") != "" {
			pair := func(json string) string { return block.Text + "```\n\n</td><td>\n\n```json\n" + json + "```" }
			updated = strings.Replace(updated, pair(shown.Text), pair(got), 1)
			continue
		}
		require.Equal(t, got, shown.Text, "line %d: UPDATE_GOLDEN=1 go test -run CaddyfilePage . writes it anew", shown.Line)
	}
	require.Greater(t, len(examples), 12)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile("docs/caddyfile.md", []byte(updated), 0o600))
	}
	for _, section := range page.Headings {
		example, ok := examples[section.Anchor]
		if !ok {
			continue
		}
		for _, row := range docpage.Rows(page.Section(section.Anchor)) {
			if !strings.HasPrefix(row[0], "[") {
				require.Regexp(t, `(?m)^\s*`+wordOf(row[0])+`\b`, example, "the example under #%s shows every word", section.Anchor)
			}
		}
	}
}

// adaptFragment is the JSON of a part of a Caddyfile that stands in the option sync, in a
// database, or in a site.
func adaptFragment(t *testing.T, place, text string) string {
	t.Helper()
	var config struct {
		Apps struct {
			Sync struct {
				Databases map[string]json.RawMessage `json:"databases"`
			} `json:"sync"`
			HTTP struct {
				Servers map[string]struct {
					Routes []json.RawMessage `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	var whole struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	wrapped := map[string]string{"sync": inSync + text + "\n}\n}", "database": inDatabase + text + "\n}\n}\n}", "site": inSite + text + "\n}"}[place]
	require.NotEmpty(t, wrapped, "no place %q", place)
	adapted := adapt(t, wrapped)
	require.NoError(t, json.Unmarshal(adapted, &config))
	require.NoError(t, json.Unmarshal(adapted, &whole))
	part := whole.Apps["sync"]
	switch place {
	case "database":
		part = config.Apps.Sync.Databases["notes"]
	case "site":
		require.Len(t, config.Apps.HTTP.Servers["srv0"].Routes, 1)
		part = config.Apps.HTTP.Servers["srv0"].Routes[0]
	}
	return indentShort(t, part)
}

// indentShort indents JSON, and leaves what is short on one line.
func indentShort(t *testing.T, text []byte) string {
	t.Helper()
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, text, "", "  "))
	short := regexp.MustCompile(`[\[{]\n[^\[\]{}]*[\]}]`).ReplaceAllStringFunc(indented.String(), func(part string) string {
		line := regexp.MustCompile(`\n\s*`).ReplaceAllString(part, " ")
		line = strings.NewReplacer("[ ", "[", " ]", "]", "{ ", "{", " }", "}").Replace(line)
		if len(line) > 60 {
			return part
		}
		return line
	})
	return short + "\n"
}
