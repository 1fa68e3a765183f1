package lite

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a Message is.
type Kind string

// The kinds of messages.
const (
	Handshake Kind = "HTTP"
	Req       Kind = "REQ"
	Res       Kind = "RES"
	Err       Kind = "ERR"
	AckReq    Kind = "ACKREQ"
	AckRes    Kind = "ACKRES"
	Close     Kind = "CLOSE"
	Ping      Kind = "PING"
	Pong      Kind = "PONG"
)

// Property is one property of a message.
type Property struct{ Name, Value string }

// Message is what one side sent: a message, or what else goes over the connection.
type Message struct {
	FromServer bool
	Kind       Kind
	Number     uint64
	To         string // of an answer: the profile that it answers
	Properties []Property
	Compressed bool
	Urgent     bool
	NoReply    bool
	Frames     int
	// Body is cut off in recordings, but Length is not.
	Body   []byte
	Length int
	Code   int // of a close frame
}

// Get is a property, "" if it is not there.
func (m *Message) Get(name string) string {
	value, _ := m.find(name)
	return value
}

func (m *Message) find(name string) (string, bool) {
	i := slices.IndexFunc(m.Properties, func(p Property) bool { return p.Name == name })
	if i < 0 {
		return "", false
	}
	return m.Properties[i].Value, true
}

// Profile is what a request asks for.
func (m *Message) Profile() string { return m.Get("Profile") }

// String is the message as recordings show it.
func (m *Message) String() string {
	var b strings.Builder
	arrow := "->"
	if m.FromServer {
		arrow = "<-"
	}
	fmt.Fprintf(&b, "%s %s #%d", arrow, m.Kind, m.Number)
	if m.To != "" {
		fmt.Fprintf(&b, " (to %s)", m.To)
	}
	b.WriteString(" {")
	for i, p := range m.Properties {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name + ": " + p.Value)
	}
	b.WriteString("}" + m.flags())
	if m.Code != 0 {
		fmt.Fprintf(&b, " code=%d", m.Code)
	}
	if m.Length > 0 {
		fmt.Fprintf(&b, " body[%d] %.300s", m.Length, m.Body)
	}
	return b.String()
}

func (m *Message) flags() string {
	var flags []string
	if m.Compressed {
		flags = append(flags, "compressed")
	}
	if m.Urgent {
		flags = append(flags, "urgent")
	}
	if m.NoReply {
		flags = append(flags, "noreply")
	}
	if flags == nil {
		return ""
	}
	return " [" + strings.Join(flags, ",") + "]"
}
