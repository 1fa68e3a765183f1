package lite

import (
	"encoding/json"
	"fmt"
	"strings"
)

// About are the messages that say something of a document, each cut down to that: of a list
// and of what answers it there is left one entry.
func About(messages []Message, id string) (lines []string) {
	type asked struct {
		byServer bool
		number   uint64
	}
	places := make(map[asked]int)
	for i := range messages {
		m := &messages[i]
		switch {
		case m.Kind == Req && (m.Profile() == "changes" || m.Profile() == "proposeChanges"):
			at, row := rowOf(m.Body, id)
			if at < 0 {
				continue
			}
			places[asked{m.FromServer, m.Number}] = at
			lines = append(lines, brief(m, row))
		case m.To == "changes" || m.To == "proposeChanges":
			at, ok := places[asked{!m.FromServer, m.Number}]
			if !ok {
				continue
			}
			entry := "0" // zeros at the end are left out
			var entries []json.RawMessage
			if json.Unmarshal(m.Body, &entries) == nil && at < len(entries) {
				entry = string(entries[at])
			}
			lines = append(lines, brief(m, entry))
		case m.Kind == Req && m.Get("id") == id:
			places[asked{m.FromServer, m.Number}] = 0
			lines = append(lines, m.String())
		case m.To == "rev":
			if _, ok := places[asked{!m.FromServer, m.Number}]; ok {
				lines = append(lines, m.String())
			}
		}
	}
	return lines
}

// rowOf finds a document in the rows of changes or proposeChanges, -1 if it is not there.
func rowOf(body []byte, id string) (at int, row string) {
	var rows [][]json.RawMessage
	if json.Unmarshal(body, &rows) != nil {
		return -1, ""
	}
	quoted := string(encode(id))
	for i, parts := range rows {
		for _, part := range parts[:min(2, len(parts))] {
			if string(part) == quoted {
				return i, string(encode(parts))
			}
		}
	}
	return -1, ""
}

func brief(m *Message, text string) string {
	arrow := "->"
	if m.FromServer {
		arrow = "<-"
	}
	what := m.Profile()
	if m.To != "" {
		what = "to " + m.To
	}
	return fmt.Sprintf("%s %s #%d %s %s", arrow, m.Kind, m.Number, what, strings.TrimSpace(text))
}
