package lite

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The shape of a message is the message without what may differ from one run to the next:
// times, sequences, revisions (but not their generations), digests, checkpoints' IDs, the
// order of properties.

var (
	versionText = regexp.MustCompile(`[0-9a-f]{6,16}@[A-Za-z0-9+/]{22}`)
	revText     = regexp.MustCompile(`\b(\d+)-[0-9a-f]{32,40}\b`)
	digestText  = regexp.MustCompile(`sha1-[A-Za-z0-9+/]{27}=`)
	sizeText    = regexp.MustCompile(`",\d+\]`)
	spaceAfter  = regexp.MustCompile(`([,;]) `)
)

func shapeOf(m *Message) string {
	switch m.Kind {
	case Handshake:
		return shapeOfHead(m)
	case Close:
		return fmt.Sprintf("CLOSE %d", m.Code)
	case AckReq, AckRes, Ping, Pong:
		return string(m.Kind)
	}
	var properties []string
	for _, p := range m.Properties {
		if p.Name != "Profile" {
			properties = append(properties, p.Name+": "+shapeOfProperty(m, p))
		}
	}
	slices.Sort(properties)
	what := m.Profile()
	if m.Kind != Req {
		what = "(to " + m.To + ")"
	}
	text := fmt.Sprintf("%s %s {%s}%s", m.Kind, what, strings.Join(properties, ", "), m.flags())
	if m.Frames > 1 {
		text += " in several frames"
	}
	if body := shapeOfBody(m); body != "" {
		text += " " + body
	}
	return text
}

func shapeOfHead(m *Message) string {
	var lines []string
	for _, p := range m.Properties {
		switch strings.ToLower(p.Name) {
		case "connection", "upgrade", "sec-websocket-protocol", "sec-websocket-version":
			lines = append(lines, strings.ToLower(p.Name)+": "+p.Value)
		case "date", "server", "host", "user-agent", "authorization", "accept-encoding":
		default:
			lines = append(lines, strings.ToLower(p.Name))
		}
	}
	slices.Sort(lines)
	return "HTTP " + strings.Join(lines, "; ")
}

// shapeOfRevs takes revisions and versions out of a text.
func shapeOfRevs(text string) string {
	text = versionText.ReplaceAllString(text, "VERSION")
	text = revText.ReplaceAllString(text, "$1-REV")
	return spaceAfter.ReplaceAllString(text, "$1")
}

func shapeOfProperty(m *Message, p Property) string {
	switch p.Name {
	case "sequence", "since":
		if m.Kind == Req && m.FromServer {
			return shapeOfSeq([]byte(p.Value))
		}
		return "SEQ"
	case "digest":
		return "DIGEST"
	case "client", "uuid":
		return "ID"
	case "rev":
		if strings.HasPrefix(p.Value, "0-") {
			return "0-N"
		}
		return shapeOfRevs(p.Value)
	case "history", "replacedRev", "deltaSrc":
		return shapeOfRevs(p.Value)
	}
	return p.Value
}

func shapeOfSeq(text []byte) string {
	if text[0] != '"' {
		return "SEQ"
	}
	return regexp.MustCompile(`\d+`).ReplaceAllString(string(text), "SEQ")
}

func shapeOfBody(m *Message) string {
	if m.Length == 0 {
		return ""
	}
	profile := m.Profile()
	if m.Kind != Req {
		profile = m.To
	}
	switch {
	case m.Kind == Err:
		return string(m.Body)
	case profile == "getAttachment", profile == "proveAttachment" && m.Kind == Req:
		return fmt.Sprintf("%d bytes", m.Length)
	case profile == "proveAttachment":
		return digestText.ReplaceAllString(string(m.Body), "PROOF")
	case profile == "changes" && m.Kind == Req:
		return shapeOfChanges(m.Body)
	case profile == "changes":
		return shapeOfWanted(m.Body)
	case profile == "proposeChanges" && m.Kind == Req:
		return shapeOfRevs(sizeText.ReplaceAllString(string(m.Body), `",N]`))
	case profile == "getCheckpoint", profile == "setCheckpoint", profile == "getCollections":
		return shapeOfCheckpoints(m)
	case profile == "rev":
		o, err := decodeObject(m.Body)
		if err != nil {
			return "BAD " + string(m.Body)
		}
		return digestText.ReplaceAllString(string(encode(o)), "DIGEST")
	}
	return shapeOfRevs(string(m.Body))
}

func shapeOfChanges(body []byte) string {
	var rows [][]json.RawMessage
	if json.Unmarshal(body, &rows) != nil {
		return "BAD " + string(body)
	}
	if len(rows) == 0 {
		return "CAUGHT UP" // [] or null
	}
	var texts []string
	for _, r := range rows {
		parts := []string{shapeOfSeq(r[0])}
		for _, part := range r[1:] {
			parts = append(parts, shapeOfRevs(string(part)))
		}
		texts = append(texts, "["+strings.Join(parts, ",")+"]")
	}
	slices.Sort(texts) // concurrent writes get their sequences in any order
	return "[" + strings.Join(texts, ",") + "]"
}

// shapeOfWanted is a client's answer to changes: what it wants, in any order.
func shapeOfWanted(body []byte) string {
	var answers []json.RawMessage
	if json.Unmarshal(body, &answers) != nil {
		return "BAD " + string(body)
	}
	var texts []string
	for _, a := range answers {
		if string(a) != "0" {
			texts = append(texts, shapeOfRevs(string(a)))
		}
	}
	slices.Sort(texts)
	return "[" + strings.Join(texts, ",") + "]"
}

// shapeOfCheckpoints keeps which members there are. _rev is what Sync Gateway calls rev.
func shapeOfCheckpoints(m *Message) string {
	var one object
	var many []object
	if json.Unmarshal(m.Body, &one) == nil {
		if m.Kind == Req && m.Profile() == "getCollections" {
			return fmt.Sprint(one["collections"])
		}
		return membersOf(one)
	}
	if json.Unmarshal(m.Body, &many) != nil {
		return "BAD " + string(m.Body)
	}
	var texts []string
	for _, o := range many {
		if o == nil {
			texts = append(texts, "null")
			continue
		}
		texts = append(texts, membersOf(o))
	}
	return strings.Join(texts, ",")
}

func membersOf(o object) string {
	names := make(map[string]bool)
	for name := range o {
		if name == "localCompleted" {
			continue // the client's way of putting it
		}
		names[strings.TrimPrefix(name, "_")] = true
	}
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return "{" + strings.Join(list, ",") + "}"
}

// shapesOf is one side's part of a connection: changes in their order, the rest in any. What a client does more or less often is there once.
func shapesOf(messages []Message, server bool) []string {
	var list []string
	place := make(map[string]int)
	once := make(map[string]bool)
	for i := range messages {
		m := &messages[i]
		if m.FromServer != server || m.Kind == Ping || m.Kind == Pong {
			continue
		}
		if !server && isOfCheckpoint(m) {
			continue // how often it saves is the client's business
		}
		text := shapeOf(m)
		switch {
		case isOftenOrSeldom(m):
			if once[text] {
				continue
			}
			once[text] = true
		case m.Kind == Req && m.Profile() == "changes":
			key := "changes of collection " + m.Get("collection")
			place[key]++
			text = fmt.Sprintf("%s, no. %d: %s", key, place[key], text)
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

func isOfCheckpoint(m *Message) bool {
	return m.Profile() == "setCheckpoint" || m.Profile() == "getCheckpoint"
}

func isOftenOrSeldom(m *Message) bool {
	if m.Kind == AckReq || m.Kind == AckRes || m.To == "setCheckpoint" || m.To == "getCheckpoint" {
		return true
	}
	profile := m.Profile()
	return profile == "setCheckpoint" || profile == "getCheckpoint" || profile == "proposeChanges" && m.NoReply
}
