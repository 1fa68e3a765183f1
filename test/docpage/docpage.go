// Package docpage reads pages of the documentation, so that tests can hold them against the
// code. It knows as much of Markdown as those pages use.
package docpage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrOpenBlock is returned for a page whose last fenced block does not end.
var ErrOpenBlock = errors.New("a fenced block does not end")

// Page is one page.
type Page struct {
	// Path is relative to the root of the repository, with slashes.
	Path     string
	Blocks   []Block
	Headings []Heading
	Links    []Link
	// Lines are all of the page, those of blocks too.
	Lines []string
}

// Block is a fenced block.
type Block struct {
	// Line is where it begins, counted from 1.
	Line int
	// Language is the first word after the fence, Place the rest of the line.
	Language, Place string
	// Note is the text of the HTML comment before the block; empty without one.
	Note string
	// Section is the anchor of the heading that the block stands under.
	Section string
	Text    string
}

// Heading is a heading; Anchor is what links have after the #.
type Heading struct {
	Line, Level  int
	Text, Anchor string
}

// Link is a link or a picture.
type Link struct {
	Line   int
	Target string
}

// All reads README.md, CHANGELOG.md, all of docs and the pages of examples.
func All(root string) ([]*Page, error) {
	var pages []*Page
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/README.md", "devidp/README.md", "bench/README.md", "test/README.md"} {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, fmt.Errorf("looking for pages: %w", err)
		}
		for _, path := range paths {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return nil, fmt.Errorf("looking for pages: %w", err)
			}
			page, err := Read(root, filepath.ToSlash(relative))
			if err != nil {
				return nil, err
			}
			pages = append(pages, page)
		}
	}
	return pages, nil
}

// Read reads the page at a path below the root.
func Read(root, path string) (*Page, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	page, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	page.Path = path
	return page, nil
}

var (
	heading = regexp.MustCompile(`^(#{1,6}) +(.*)$`)
	comment = regexp.MustCompile(`^<!-- *(.*?) *-->$`)
	// link matches [text](target) and ![text](target), and the text may have brackets of code.
	link = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\))?)\)`)
	code = regexp.MustCompile("`[^`]*`")
)

// Parse reads a page's text.
func Parse(text string) (*Page, error) {
	p := &Page{Lines: strings.Split(text, "\n")}
	anchors := map[string]int{}
	var block *Block
	var indent, note string
	for i, line := range p.Lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case block != nil && trimmed == "```":
			p.Blocks = append(p.Blocks, *block)
			block = nil
		case block != nil:
			block.Text += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(trimmed, "```"):
			indent = line[:strings.Index(line, "`")]
			block = &Block{Line: i + 1, Note: note}
			block.Language, block.Place, _ = strings.Cut(strings.TrimPrefix(trimmed, "```"), " ")
			if n := len(p.Headings); n > 0 {
				block.Section = p.Headings[n-1].Anchor
			}
			note = ""
		case comment.MatchString(trimmed):
			note = comment.FindStringSubmatch(trimmed)[1]
		default:
			if trimmed != "" {
				note = ""
			}
			p.line(i+1, line, anchors)
		}
	}
	if block != nil {
		return nil, ErrOpenBlock
	}
	return p, nil
}

// line reads a line outside of blocks.
func (p *Page) line(number int, text string, anchors map[string]int) {
	if h := heading.FindStringSubmatch(text); h != nil {
		p.Headings = append(p.Headings, Heading{Line: number, Level: len(h[1]), Text: h[2], Anchor: anchor(h[2], anchors)})
	}
	for _, l := range link.FindAllStringSubmatch(code.ReplaceAllString(text, "`"), -1) {
		p.Links = append(p.Links, Link{Line: number, Target: l[1]})
	}
}

// Anchor makes the anchor of a heading as GitHub does, of one that is there once.
func Anchor(text string) string { return anchor(text, map[string]int{}) }

func anchor(text string, seen map[string]int) string {
	text = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(text, "$1")
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
			b.WriteRune(r)
		}
	}
	made := b.String()
	n := seen[made]
	seen[made]++
	if n > 0 {
		made += "-" + strconv.Itoa(n)
	}
	return made
}

// HasAnchor reports whether a link to the page may end in #anchor.
func (p *Page) HasAnchor(anchor string) bool {
	return slices.ContainsFunc(p.Headings, func(h Heading) bool { return h.Anchor == anchor })
}

// Section returns the lines under a heading, up to the next one of its level or above.
func (p *Page) Section(anchor string) []string {
	for i, h := range p.Headings {
		if h.Anchor != anchor {
			continue
		}
		for _, next := range p.Headings[i+1:] {
			if next.Level <= h.Level {
				return p.Lines[h.Line : next.Line-1]
			}
		}
		return p.Lines[h.Line:]
	}
	return nil
}

// Rows returns the cells of the rows of all tables in lines, their heads left out.
func Rows(lines []string) [][]string {
	var rows [][]string
	for i, line := range lines {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| --") {
			continue
		}
		if i+1 < len(lines) && (strings.HasPrefix(lines[i+1], "|--") || strings.HasPrefix(lines[i+1], "| --")) {
			continue
		}
		// A pipe in a cell is written \|.
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "| "), `\|`, "\x00"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "\x00", "|")
		}
		rows = append(rows, cells)
	}
	return rows
}
