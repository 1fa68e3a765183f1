package syncack

import (
	"regexp"
	"sort"
)

// Verdict is what a trace says of the stamped writes in it.
type Verdict struct {
	// Acknowledged are the stamps of the writes that got a 2xx answer.
	Acknowledged []string
	// Unsynced are those of them whose answer went out before a sync of the log that
	// had begun after the request was read.
	Unsynced []string
	// Syncs is how many syncs of the log there were.
	Syncs int
}

// Stamp marks a write: it is the document ID.
var Stamp = regexp.MustCompile(`stamp-\d{5}`)

var okPattern = regexp.MustCompile(`^HTTP/1\.1 2\d\d `)

// span is a sync of the log, from its begin to its end.
type span struct{ began, ended int }

// Judge finds the stamped writes and tells which were acknowledged too early. isLog
// names the files to which an acknowledged write must have been synced.
//
// A sync covers a write if it began after the request was read and ended before the
// answer was written. When writes come one by one no other write can have caused it; for
// concurrent ones the rule is necessary, not sufficient.
func Judge(calls []Call, isLog func(path string) bool) Verdict {
	var (
		v       Verdict
		syncs   []span
		memory  mappings
		heard   = map[string]string{}  // by connection, what was read since the last answer
		pending = map[string]request{} // by connection
	)
	type ack struct {
		request
		at int
	}
	var acks []ack
	for _, e := range inOrder(calls) {
		c := calls[e.call]
		switch {
		case !e.end && isWrite(c.Name):
			if r, ok := pending[c.target()]; ok && okPattern.MatchString(c.buffer()) {
				acks = append(acks, ack{r, e.moment})
			}
			delete(pending, c.target())
			delete(heard, c.target())
		case !e.end:
		case isRead(c.Name):
			// Caddy reads the first bytes of a connection apart, net/http sometimes the
			// first of a request.
			heard[c.target()] += c.text()
			if stamp := Stamp.FindString(requestLine.FindString(heard[c.target()])); stamp != "" {
				if _, known := pending[c.target()]; !known {
					pending[c.target()] = request{stamp, e.moment}
				}
			}
		case c.ok() && isLog(syncedFile(c, memory)):
			syncs = append(syncs, span{c.Began, c.Ended})
		default:
			memory.apply(c)
		}
	}
	v.Syncs = len(syncs)
	for _, a := range acks {
		v.Acknowledged = append(v.Acknowledged, a.stamp)
		if !covered(syncs, a.read, a.at) {
			v.Unsynced = append(v.Unsynced, a.stamp)
		}
	}
	return v
}

type request struct {
	stamp string
	read  int
}

// edge is the begin or the end of a call.
type edge struct {
	moment, call int
	end          bool
}

// inOrder lists the begins and ends of all calls in their order.
func inOrder(calls []Call) []edge {
	edges := make([]edge, 0, 2*len(calls))
	for i, c := range calls {
		edges = append(edges, edge{c.Began, i, false})
		if c.Ended != 0 {
			edges = append(edges, edge{c.Ended, i, true})
		}
	}
	sort.SliceStable(edges, func(i, j int) bool { return edges[i].moment < edges[j].moment })
	return edges
}

func covered(syncs []span, read, answered int) bool {
	for _, s := range syncs {
		if s.began > read && s.ended < answered {
			return true
		}
	}
	return false
}

func isRead(name string) bool  { return name == "read" || name == "recvfrom" }
func isWrite(name string) bool { return name == "write" || name == "writev" || name == "sendto" }

// requestLine is the first line of a request, as strace escapes it: stamps in other
// places are not ours.
var requestLine = regexp.MustCompile(`^[A-Z]+ /.*? HTTP/1\.1\\r\\n`)

// syncedFile is the file that a call syncs, "" if it syncs none.
func syncedFile(c Call, memory mappings) string {
	switch c.Name {
	case "fsync", "fdatasync":
		return c.target()
	case "msync":
		return memory.file(c.number(0))
	}
	return ""
}
