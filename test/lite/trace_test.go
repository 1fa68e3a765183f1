package lite

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The recordings of testdata/traces are decoded traffic between Couchbase Lite's own
// replicator and Sync Gateway 4.2 (reference/blip-observed.md).

var (
	traceLine  = regexp.MustCompile(`^\[(\d+) +[\d.]+\] (->|<-) (.*)$`)
	traceFrame = regexp.MustCompile(`^(REQ|RES|ERR) #(\d+)(?: \(to ([^)]*)\))? \{(.*)\}(?: \[([a-z,]+)\])?(?: frames=(\d+))? wire=\d+$`)
	traceBody  = regexp.MustCompile(`^      body\[(\d+)\] (.*)$`)
	traceAck   = regexp.MustCompile(`^(ACKREQ|ACKRES) #(\d+) bytesReceived=(\d+)$`)
	traceClose = regexp.MustCompile(`^WS CLOSE code=(\d+) reason='(.*)'$`)
)

// readTrace reads a recording: the messages of each connection, in the order in which the
// connections began.
func readTrace(t *testing.T, name string) [][]Message {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "traces", name+".txt"))
	require.NoError(t, err)
	defer f.Close()
	var connections [][]Message
	var last *Message
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		parts := traceLine.FindStringSubmatch(line)
		if parts == nil {
			continueMessage(t, last, line)
			continue
		}
		number, err := strconv.Atoi(parts[1])
		require.NoError(t, err)
		for len(connections) < number {
			connections = append(connections, nil)
		}
		m, ok := parseTraceLine(t, parts[3])
		if !ok {
			last = nil
			continue
		}
		m.FromServer = parts[2] == "<-"
		connections[number-1] = append(connections[number-1], m)
		last = &connections[number-1][len(connections[number-1])-1]
	}
	require.NoError(t, lines.Err())
	return connections
}

// continueMessage adds an indented line to a message.
func continueMessage(t *testing.T, m *Message, line string) {
	t.Helper()
	require.NotNil(t, m, "a line that belongs to nothing: %s", line)
	if m.Kind == Handshake {
		text := strings.TrimPrefix(line, "      ")
		if name, value, ok := strings.Cut(text, ": "); ok {
			m.Properties = append(m.Properties, Property{name, value})
		} else {
			m.Body = []byte(text)
		}
		return
	}
	parts := traceBody.FindStringSubmatch(line)
	require.NotNil(t, parts, "unknown line: %s", line)
	m.Length, _ = strconv.Atoi(parts[1])
	text := parts[2]
	if encoded, ok := strings.CutPrefix(text, "0x"); ok {
		raw, err := hex.DecodeString(strings.TrimSuffix(encoded, "…"))
		require.NoError(t, err)
		m.Body = raw
		return
	}
	m.Body = []byte(text)
}

func parseTraceLine(t *testing.T, text string) (m Message, ok bool) {
	t.Helper()
	if parts := traceFrame.FindStringSubmatch(text); parts != nil {
		m.Kind = Kind(parts[1])
		m.Number, _ = strconv.ParseUint(parts[2], 10, 64)
		m.To = parts[3]
		m.Properties = parseTraceProperties(t, parts[4])
		m.Compressed = strings.Contains(parts[5], "compressed")
		m.Urgent = strings.Contains(parts[5], "urgent")
		m.NoReply = strings.Contains(parts[5], "noreply")
		m.Frames = 1
		if parts[6] != "" {
			m.Frames, _ = strconv.Atoi(parts[6])
		}
		return m, true
	}
	if parts := traceAck.FindStringSubmatch(text); parts != nil {
		m.Kind = Kind(parts[1])
		m.Number, _ = strconv.ParseUint(parts[2], 10, 64)
		return m, true
	}
	if parts := traceClose.FindStringSubmatch(text); parts != nil {
		m.Kind = Close
		m.Code, _ = strconv.Atoi(parts[1])
		m.Body = []byte(parts[2])
		return m, true
	}
	switch text {
	case "HTTP":
		return Message{Kind: Handshake}, true
	case "WS PING":
		return Message{Kind: Ping}, true
	case "WS PONG":
		return Message{Kind: Pong}, true
	case "TCP end":
		return Message{}, false
	}
	require.Fail(t, "unknown line", text)
	return Message{}, false
}

var tracePropertyName = regexp.MustCompile(`(?:^|, )([A-Za-z-]+): `)

// parseTraceProperties takes "a: b, c: d" apart; values may have commas and spaces.
func parseTraceProperties(t *testing.T, text string) (list []Property) {
	t.Helper()
	at := tracePropertyName.FindAllStringSubmatchIndex(text, -1)
	require.Equal(t, text == "", len(at) == 0, text)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		list = append(list, Property{text[m[2]:m[3]], text[m[1]:end]})
	}
	return list
}

func traceNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "traces", "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".txt"))
	}
	return names
}

func TestTracesAreReadWhole(t *testing.T) {
	t.Parallel()
	names := traceNames(t)
	require.Len(t, names, 42)
	for _, name := range names {
		for i, connection := range readTrace(t, name) {
			require.NotEmpty(t, connection, "%s, connection %d", name, i+1)
			for _, m := range connection {
				if m.Kind == Req {
					require.NotEmpty(t, m.Profile(), "%s: %s", name, &m)
				}
				if m.Length > 0 {
					require.NotEmpty(t, m.Body, "%s: %s", name, &m)
				}
				require.NotEmpty(t, shapeOf(&m), "%s: %s", name, &m)
			}
		}
	}
}

func TestShapesKeepAllButWhatMayDiffer(t *testing.T) {
	t.Parallel()
	base := func() *Message {
		return &Message{
			FromServer: true, Kind: Req, Number: 3, Compressed: true, NoReply: true, Frames: 1, Length: 7, Body: []byte(`{"v":2}`),
			Properties: []Property{{"Profile", "rev"}, {"id", "a"}, {"rev", revB}, {"sequence", "7"}, {"history", revA}},
		}
	}
	want := shapeOf(base())
	for name, change := range map[string]func(*Message){
		"number":   func(m *Message) { m.Number = 9 },
		"order":    func(m *Message) { m.Properties[1], m.Properties[4] = m.Properties[4], m.Properties[1] },
		"revision": func(m *Message) { m.Properties[2].Value = "2-ffffffffffffffffffffffffffffffff" },
		"sequence": func(m *Message) { m.Properties[3].Value = "99" },
	} {
		m := base()
		change(m)
		require.Equal(t, want, shapeOf(m), name)
	}
	for name, change := range map[string]func(*Message){
		"compressed": func(m *Message) { m.Compressed = false },
		"urgent":     func(m *Message) { m.Urgent = true },
		"noreply":    func(m *Message) { m.NoReply = false },
		"generation": func(m *Message) { m.Properties[2].Value = "3-ffffffffffffffffffffffffffffffff" },
		"form":       func(m *Message) { m.Properties[3].Value = `"5:7"` },
		"property":   func(m *Message) { m.Properties = append(m.Properties, Property{"deleted", "1"}) },
		"missing":    func(m *Message) { m.Properties = m.Properties[:4] },
		"value":      func(m *Message) { m.Properties[1].Value = "b" },
		"body":       func(m *Message) { m.Body = []byte(`{"v":3}`) },
		"kind":       func(m *Message) { m.Kind = Err },
	} {
		m := base()
		change(m)
		require.NotEqual(t, want, shapeOf(m), name)
	}
}
