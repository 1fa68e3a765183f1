package design

import (
	"bytes"
	"encoding/json"
)

// Modules are CommonJS modules of a design document.
type Modules struct {
	text   string
	byPath map[string]string
}

// Text is the member that the modules are from, without white space. It is the same for the
// same modules, "" if there are none.
func (m Modules) Text() string { return m.text }

// parseModules finds the modules below a path: every text is one, and objects are folders.
func parseModules(path string, text json.RawMessage) Modules {
	m := Modules{byPath: make(map[string]string)}
	m.add(path, text)
	if len(m.byPath) == 0 {
		return Modules{}
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) == nil {
		m.text = compact.String()
	}
	return m
}

func (m *Modules) add(path string, text json.RawMessage) {
	var members map[string]json.RawMessage
	var source string
	switch {
	case json.Unmarshal(text, &source) == nil:
		m.byPath[path] = source
	case json.Unmarshal(text, &members) == nil:
		for name, member := range members {
			m.add(path+"/"+name, member)
		}
	}
}
