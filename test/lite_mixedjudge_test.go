package test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	device "github.com/caddysync/caddy-sync/test/lite"
	"github.com/stretchr/testify/require"
)

// differencesShown is how many differences a failed test prints.
const differencesShown = 10

// held is a document as a client, or the server, holds it: the winner without the members
// "_…", and the names of the leaves where there are any.
type held struct {
	Rev         string            `json:"rev"`
	Deleted     bool              `json:"deleted"`
	Body        json.RawMessage   `json:"body"`
	Attachments map[string]string `json:"attachments"` // digests, of the content
	Conflicts   []string          `json:"conflicts"`
	Leaves      []string          `json:"leaves"`
}

// judge requires that all hold the same winners, of the same content, and that PouchDB shows
// the conflicts that the server shows; a device has none left, and nothing to push.
func (m *mixed) judge() {
	m.t.Helper()

	want := m.onServer()
	require.GreaterOrEqual(m.t, len(want), len(m.ids)*9/10) // chance may leave out a few

	got := event[struct{ Docs map[string]held }](m.t, m.script, m.tell("dump")).Docs
	differences := compareHeld("PouchDB", want, got)

	m.done.conflicts = 0
	for _, doc := range want {
		m.done.conflicts += len(doc.Conflicts)
	}

	for _, d := range m.devices {
		differences = append(differences, m.compareDevice(d, want)...)

		if d.Collection(device.DefaultCollection).Pending() {
			differences = append(differences, d.Version().String()+" has something to push still")
		}

		require.Empty(m.t, d.Violations())
	}

	if n := len(differences); n > 0 {
		m.said(differences[0])
		require.FailNow(m.t, fmt.Sprintf("%d differences", n), strings.Join(differences[:min(n, differencesShown)], "\n"))
	}
}

// onServer reads all that the server holds, by a plain request.
func (m *mixed) onServer() map[string]held {
	m.t.Helper()

	got := ask(m.t, m.server, request{
		url: "/notes/_changes?style=all_docs&include_docs=true&conflicts=true&attachments=true", header: m.header,
	})

	var changes struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
			Doc     map[string]json.RawMessage
		}
	}

	require.NoError(m.t, json.Unmarshal([]byte(got.body), &changes), got.body)

	all := make(map[string]held, len(changes.Results))

	for _, row := range changes.Results {
		doc := m.onServerDoc(row.Doc)
		for _, change := range row.Changes {
			doc.Leaves = append(doc.Leaves, change.Rev)
		}

		slices.Sort(doc.Leaves)
		all[row.ID] = doc
	}

	return all
}

func (m *mixed) onServerDoc(doc map[string]json.RawMessage) held {
	m.t.Helper()

	h := held{Attachments: map[string]string{}, Conflicts: []string{}}
	attachments := map[string]struct{ Data []byte }{}

	for name, into := range map[string]any{
		"_rev": &h.Rev, "_deleted": &h.Deleted, "_conflicts": &h.Conflicts, "_attachments": &attachments,
	} {
		if text, ok := doc[name]; ok {
			require.NoError(m.t, json.Unmarshal(text, into), name)
		}
	}

	for name := range doc {
		if strings.HasPrefix(name, "_") {
			delete(doc, name)
		}
	}

	for name, a := range attachments {
		h.Attachments[name] = digest(a.Data)
	}

	var err error

	h.Body, err = json.Marshal(doc)
	require.NoError(m.t, err)
	slices.Sort(h.Conflicts)

	return h
}

// digest names content as Couchbase Lite does.
func digest(content []byte) string {
	sum := sha1.Sum(content)

	return "sha1-" + base64.StdEncoding.EncodeToString(sum[:])
}

// compareDevice compares what a device holds with what the server does. A device of 4.0 has
// versions in place of revisions, no device has losing branches, and none need have heard of
// what was deleted.
func (m *mixed) compareDevice(d *device.Device, want map[string]held) []string {
	m.t.Helper()

	expected, got := make(map[string]held), make(map[string]held)

	for id, doc := range d.Collection(device.DefaultCollection).All() {
		h := held{Deleted: doc.Deleted, Body: json.RawMessage(doc.Body), Attachments: doc.Attachments}
		if d.Version() < device.V40 {
			h.Rev = doc.Rev
		}

		for name, named := range doc.Attachments {
			content, ok := d.Blob(named)
			require.True(m.t, ok, "%s: %s: %s has no content", d.Version(), id, name)
			require.Equal(m.t, named, digest(content))
		}

		got[id] = h
	}

	for id, doc := range want {
		if _, ok := got[id]; !ok && doc.Deleted {
			continue
		}

		doc.Conflicts, doc.Leaves = nil, nil
		if d.Version() >= device.V40 {
			doc.Rev = ""
		}

		expected[id] = doc
	}

	return compareHeld("Couchbase Lite "+d.Version().String(), expected, got)
}

// compareHeld tells what somebody holds in another way than the server.
func compareHeld(who string, want, got map[string]held) (differences []string) {
	for id, doc := range want {
		have, ok := got[id]
		if !ok {
			differences = append(differences, fmt.Sprintf("%s: %s: nothing, the server has %s", id, who, doc))

			continue
		}

		doc, have := doc.canonical(), have.canonical()
		if !reflect.DeepEqual(doc, have) {
			differences = append(differences, fmt.Sprintf("%s: %s has %s,\n\tthe server %s", id, who, have, doc))
		}
	}

	for id, have := range got {
		if _, ok := want[id]; !ok {
			differences = append(differences, fmt.Sprintf("%s: %s has %s, the server nothing", id, who, have))
		}
	}

	slices.Sort(differences)

	return differences
}

// canonical has the members of the body in order, and nothing of what was deleted.
func (h held) canonical() held {
	if h.Deleted {
		h.Body, h.Attachments = nil, nil

		return h
	}

	var body map[string]any

	decoder := json.NewDecoder(bytes.NewReader(h.Body))
	decoder.UseNumber()

	if err := decoder.Decode(&body); err == nil {
		h.Body, _ = json.Marshal(body)
	}

	return h
}

// String is a document in a report.
func (h held) String() string {
	return fmt.Sprintf("%s deleted %v %s attachments %v conflicts %v leaves %v",
		h.Rev, h.Deleted, h.Body, h.Attachments, h.Conflicts, h.Leaves)
}

// past is a replication of a device that is over.
type past struct {
	version  device.Version
	messages []device.Message
}

// said logs all that devices and the server said of the document that a difference begins with.
func (m *mixed) said(difference string) {
	m.t.Helper()

	id, _, _ := strings.Cut(difference, ":")
	for n, p := range m.past {
		for _, line := range device.About(p.messages, id) {
			m.t.Logf("%d %s %s", n, p.version, line[:min(len(line), 400)])
		}
	}
}
