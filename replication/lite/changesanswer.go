package lite

import (
	"fmt"
	"strconv"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

const (
	// defaultHistory is how many ancestors a client takes that does not say so; maxHistory is
	// the most that any is sent.
	defaultHistory, maxHistory = 50, 1000
	// maxKnown is how many known revisions of a document are looked at.
	maxKnown = 100
)

// changesAnswer is what a client answers to changes (reference/blip.md 3.5).
type changesAnswer struct {
	// known are, for each row, the revisions that the client has; nil: the row's revision is
	// not wanted.
	known [][]string
	// history is how many ancestors the client takes.
	history      int
	replacements bool
}

// parseAnswer reads an answer. What is no list asks for nothing, and of a list what is no
// text is passed over: a client that names what nobody understands still waits for the
// document. What is beyond the rows is passed over too.
func (ks *keyspace) parseAnswer(q *blip.Response, rows int) (a changesAnswer, err error) {
	a = changesAnswer{history: defaultHistory, replacements: flag(q.Properties, "sendReplacementRevs")}
	if n, err := strconv.Atoi(q.Properties.Value("maxHistory")); err == nil && n >= 0 {
		a.history = min(n, maxHistory)
	}
	if flag(q.Properties, "deltas") {
		ks.mu.Lock()
		ks.deltas = true
		ks.mu.Unlock()
	}
	if len(q.Body) == 0 || string(q.Body) == "null" {
		return a, nil
	}
	err = jsondoc.Elements(q.Body, func(item []byte) error {
		if len(a.known) < rows {
			a.known = append(a.known, knownRevs(item))
		}
		return nil
	})
	if err != nil {
		return a, fmt.Errorf("%w: its answer to changes is no list: %w", errClient, err)
	}
	return a, nil
}

// knownRevs reads the list of known revisions of one row, nil if it is none.
func knownRevs(item []byte) []string {
	known := []string{}
	err := jsondoc.Elements(item, func(value []byte) error {
		if len(known) == maxKnown {
			return nil
		}
		if text, err := jsondoc.String(value); err == nil {
			known = append(known, text)
		}
		return nil
	})
	if err != nil {
		return nil // checked to be JSON before: it is no list
	}
	return known
}
