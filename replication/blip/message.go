package blip

import (
	"io"
	"sync/atomic"
	"unsafe"
)

// Property is one property of a message. Neither its name nor its value may have NUL.
type Property struct{ Name, Value string }

// Properties are a message's properties, in the order in which they are sent.
type Properties []Property

// Get returns the value of a property; the first, if a peer repeated its name.
func (p Properties) Get(name string) (value string, ok bool) {
	for i := range p {
		if p[i].Name == name {
			return p[i].Value, true
		}
	}
	return "", false
}

// Value returns the value of a property, "" if it is not there.
func (p Properties) Value(name string) string {
	value, _ := p.Get(name)
	return value
}

// Message is a request or an answer to be sent.
type Message struct {
	Properties Properties
	// Body is the body, or its beginning if Stream is set. It must not be changed until
	// the message was sent.
	Body []byte
	// Stream, if not nil, gives the rest of the body. It is read as the message is sent, so
	// that a large body is never in memory, and closed when it was sent or never will be.
	// Other messages wait while it is read, so that it must not wait for anybody.
	// An error that it returns ends the connection: half a body cannot be taken back.
	Stream io.ReadCloser
	// Compressed sends the body deflated, Urgent ahead of what is not, and NoReply wants
	// no answer. An answer to an urgent request is urgent by itself.
	Compressed, Urgent, NoReply bool
}

// Request is a message that the peer sent, complete.
type Request struct {
	Properties                  Properties
	Body                        []byte
	Compressed, Urgent, NoReply bool
	// TooLarge: the body was longer than Limits.Message takes, and was thrown away.
	TooLarge bool

	conn     *Conn
	number   uint64
	charged  int // what it counts in Conn.buffered, until it is answered
	answered atomic.Bool
}

// Profile is the property that names what a request asks for.
func (r *Request) Profile() string { return r.Properties.Value("Profile") }

// Memory is how many bytes the request takes with its properties: a hundred KiB of these, which come
// deflated in a hundred bytes, may be many short ones, that take more than a MiB.
func (r *Request) Memory() int {
	n := len(r.Body) + len(r.Properties)*int(unsafe.Sizeof(Property{}))
	for i := range r.Properties {
		n += len(r.Properties[i].Name) + len(r.Properties[i].Value)
	}
	return n
}

// Conn is the connection that the request came by.
func (r *Request) Conn() *Conn { return r.conn }

// Response is the peer's answer to a request.
type Response struct {
	Properties Properties
	// Body is empty if the body went to a writer.
	Body []byte
}

// PeerError is an answer by which the peer refuses a request.
type PeerError struct {
	Domain string // "HTTP", "BLIP", "LiteCore", …
	Code   int
	Text   string
}
