package main

import (
	"fmt"
	"strings"
	"time"
)

// report is what a run came to.
type report struct {
	tally       tally
	acked       int
	kills       int
	earlyKills  int
	reloads     int
	beside      []string // what the bystanders did
	restarts    int
	slowest     time.Duration // of the restarts
	rows        int           // shown by all feeds
	connections int
	audits      int
	auditTook   time.Duration // the last one
	docs        int
	seq         uint64
	judged      time.Duration
	took        time.Duration
	seed        uint64
	findings    []finding
	found       int
}

// count is how many of the findings kept are of a kind.
func (r *report) count(f fault) int {
	n := 0
	for _, found := range r.findings {
		if found.fault == f {
			n++
		}
	}
	return n
}

func (r *report) String() string {
	var b strings.Builder
	t := r.tally
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("took %s, seed %d", r.took.Round(time.Second), r.seed)
	line("acknowledged writes  %d in %d documents, last sequence %d", r.acked, r.docs, r.seq)
	line("  PUT new %d, update %d, shared %d (%d conflicts), DELETE %d, revived %d", t.puts, t.updates, t.shared, t.stale, t.deletes, t.revivals)
	line("  _bulk_docs %d with %d documents, new_edits=false %d", t.bulks, t.bulkDocs, t.conflicts)
	line("requests without an answer %d, refused while starting %d", t.unknown, t.refused)
	line("kills %d (%d while starting), restarts %d, slowest %s; reloads %d",
		r.kills, r.earlyKills, r.restarts, r.slowest.Round(time.Millisecond), r.reloads)
	line("beside: %s", strings.Join(r.beside, "; "))
	line("feeds showed %d rows over %d connections; %d audits in between; judged in %s",
		r.rows, r.connections, r.audits, r.judged.Round(time.Millisecond))
	line("acknowledged writes lost  %d", r.count(faultLost))
	if r.found == 0 {
		line("no faults")
		return b.String()
	}
	line("FAULTS %d", r.found)
	for i, f := range r.findings {
		if i == 40 {
			line("  …")
			break
		}
		line("  %s", f)
	}
	return b.String()
}
