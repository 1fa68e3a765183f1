package rest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// revTree answers GET /{keyspace}/_revtree/{doc}: the tree of revisions as Graphviz text, as
// Sync Gateway has it, or drawn, with format=svg or if Accept prefers image/svg+xml.
func (h *Handler) revTree(rq *request) error {
	format := rq.query.Get("format")
	if svg, anything, _ := acceptQuality(rq.r.Header["Accept"], "image/svg+xml"); format == "" && svg > anything {
		format = "svg"
	}
	if format != "" && format != "svg" && format != "dot" {
		return badRequest("The query parameter format must be dot or svg.")
	}
	found, err := h.inspect(rq)
	if err != nil {
		return err
	}
	rq.w.Header().Add("Vary", "Accept")
	if format == "svg" {
		rq.set("Content-Type", "image/svg+xml")
		rq.set("Content-Security-Policy", "default-src 'none'; sandbox")
		return rq.sendWhole(drawTree(found))
	}
	rq.set("Content-Type", "text/vnd.graphviz; charset=utf-8")
	return rq.sendWhole(graphOf(found))
}

func (rq *request) sendWhole(text string) error {
	rq.set("Content-Length", strconv.Itoa(len(text)))
	return rq.send(http.StatusOK, []byte(text))
}

// graphOf writes the tree in Graphviz's language: the winner is bold, tombstones are grey,
// and what has no body any more is dashed.
func graphOf(i *syncstore.Inspection) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n\tnode [shape=box];\n", dotText(i.ID))
	for n := range i.Tree {
		node := &i.Tree[n]
		var style, color string
		switch {
		case node.Rev == i.Leaves[0].Rev:
			style = "bold"
		case !node.Body:
			style = "dashed"
		default:
			style = "solid"
		}
		if color = "black"; node.Deleted {
			color = "gray"
		}
		fmt.Fprintf(&b, "\t%s [style=%s, color=%s];\n", dotText(node.Rev.String()), style, color)
		if node.Parent >= 0 {
			fmt.Fprintf(&b, "\t%s -> %s;\n", dotText(i.Tree[node.Parent].Rev.String()), dotText(node.Rev.String()))
		}
	}
	return b.String() + "}\n"
}

// dotText is a quoted string of Graphviz's language.
func dotText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// The measures of a drawing.
const (
	boxWidth, boxHeight = 300, 24
	columnGap, rowGap   = 24, 24
)

// drawTree draws the tree: a column for each leaf, the winner's first, and a row for each
// generation.
func drawTree(i *syncstore.Inspection) string {
	columns, rows := layout(i)
	width, height := columnGap, rowGap
	for n := range i.Tree {
		width = max(width, (columns[n]+1)*(boxWidth+columnGap)+columnGap)
		height = max(height, (rows[n]+1)*(boxHeight+rowGap)+rowGap)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="11">`,
		width, height, width, height)
	b.WriteString("\n<title>" + xmlText(i.ID) + "</title>\n")
	for n := range i.Tree {
		node := &i.Tree[n]
		x, y := columnGap+columns[n]*(boxWidth+columnGap), rowGap+rows[n]*(boxHeight+rowGap)
		if p := node.Parent; p >= 0 {
			fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="black"/>`+"\n",
				columnGap+columns[p]*(boxWidth+columnGap)+boxWidth/2, rowGap+rows[p]*(boxHeight+rowGap)+boxHeight, x+boxWidth/2, y)
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" %s/>`, x, y, boxWidth, boxHeight, boxStyle(i, node))
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x+boxWidth/2, y+boxHeight-8, xmlText(node.Rev.String()))
	}
	return b.String() + "</svg>\n"
}

func boxStyle(i *syncstore.Inspection, node *syncstore.InspectedRevision) string {
	style := `fill="white" stroke="black"`
	if node.Deleted {
		style = `fill="lightgray" stroke="gray"`
	}
	switch {
	case node.Rev == i.Leaves[0].Rev:
		style += ` stroke-width="3"`
	case !node.Body:
		style += ` stroke-dasharray="4"`
	}
	return style
}

// layout places the nodes: each branch stands in its leaf's column, up to where it joins one
// further left.
func layout(i *syncstore.Inspection) (columns, rows []int) {
	columns, rows = make([]int, len(i.Tree)), make([]int, len(i.Tree))
	place := make(map[syncstore.Rev]int, len(i.Tree))
	var generations []uint64
	for n := range i.Tree {
		columns[n] = -1
		place[i.Tree[n].Rev] = n
		generations = append(generations, i.Tree[n].Rev.Gen)
	}
	slices.Sort(generations)
	generations = slices.Compact(generations)
	column := 0
	for l := range i.Leaves {
		n, known := place[i.Leaves[l].Rev]
		for ; known && n >= 0 && columns[n] < 0; n = i.Tree[n].Parent {
			columns[n] = column
		}
		column++
	}
	for n := range i.Tree {
		columns[n] = max(columns[n], 0)
		rows[n], _ = slices.BinarySearch(generations, i.Tree[n].Rev.Gen)
	}
	return columns, rows
}

func xmlText(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}
