package lite

import (
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// revHistory is the property "history" of a revision that is sent: what the client needs to see
// that it descends from what it has (reference/blip.md 3.7, 5.5).
func revHistory(doc *syncstore.Document, rev string, known []string, most int) []byte {
	if !strings.Contains(rev, "@") {
		if slices.Contains(known, rev) {
			return nil // in the place of another: what the client has itself comes from nothing new
		}
		return appendAncestors(nil, doc.History[min(1, len(doc.History)):], known, most)
	}
	history := doc.Vector.AppendHistory(nil)
	if !slices.ContainsFunc(known, isTreeID) {
		return history
	}
	// The client has a revision from before there were versions: it looks for it among tree
	// IDs, which begin with that of this revision.
	legacy := appendAncestors(nil, doc.History, known, most)
	if len(history) > 0 && len(legacy) > 0 && history[len(history)-1] != ';' {
		history = append(history, ',')
	}
	return append(history, legacy...)
}

// appendAncestors appends tree IDs, newest first, up to the first that the client knows, and
// none after one that it could not read.
func appendAncestors(b []byte, ancestors []syncstore.Rev, known []string, most int) []byte {
	for i, rev := range ancestors {
		text := rev.String()
		if i == most || !syncstore.RevFitsLite(text) {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text...)
		if slices.Contains(known, text) {
			break
		}
	}
	return b
}

// isTreeID reports whether a client's name of a revision is a tree ID.
func isTreeID(text string) bool {
	_, err := syncstore.ParseRev(text)
	return err == nil
}
