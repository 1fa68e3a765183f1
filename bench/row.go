package main

import (
	"fmt"
	"io"
	"strings"
)

// row is a line of the table of DESIGN section 7.
type row struct {
	work     string
	bar      string
	measured string
	ratio    float64 // of measured to what the bar compares it with; 0: the row has none
	pass     bool
	notes    []string
}

func (r row) verdict() string {
	if r.pass {
		return "pass"
	}
	return "SHORT"
}

// printTable writes the rows as a Markdown table and what is to be said about them below it.
func printTable(w io.Writer, rows []row) {
	_, _ = fmt.Fprintln(w, "\n| work | bar | measured | ratio | |\n| --- | --- | --- | --- | --- |")
	for _, r := range rows {
		ratio := ""
		if r.ratio != 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio)
		}
		_, _ = fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.work, r.bar, r.measured, ratio, r.verdict())
	}
	_, _ = fmt.Fprintln(w)
	for _, r := range rows {
		if len(r.notes) > 0 {
			_, _ = fmt.Fprintf(w, "- %s: %s\n", r.work, strings.Join(r.notes, "; "))
		}
	}
}

// atLeast is a row whose measure, as a share of another, must reach a bar.
func atLeast(work string, bar, ours, theirs float64, of, unit string) row {
	ratio := ours / theirs
	return row{
		work: work, bar: fmt.Sprintf("≥ %.0f %% of %s", 100*bar, of), ratio: ratio, pass: ratio >= bar,
		measured: fmt.Sprintf("%s against %s %s", thousands(ours), thousands(theirs), unit),
	}
}

// thousands writes a number so that it can be read.
func thousands(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}
