package blip

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

const (
	// ackEvery is after how many bytes of a message the next acknowledgement is due (blip.md 2.6).
	ackEvery = 50_000
	// A message may have freeFrames frames of any size and then one more each frameYield
	// bytes: a flood of empty frames ends.
	freeFrames = 1024
	frameYield = 64
	// maxSkipped bounds a message whose body is thrown away.
	maxSkipped = 256 << 20
)

// incoming is a message of which not all has come. Only the goroutine that reads uses it.
type incoming struct {
	conn     *Conn
	number   uint64
	flags    uint64 // of the first frame
	call     *call  // whose answer it is, nil for a request
	received uint64 // bytes that count for flow control
	acked    uint64
	frames   int
	total    int // inflated bytes

	head       []byte // properties with their length, as far as they came
	known      bool   // properties are complete
	properties Properties
	body       pieces
	limit      int // of the body
	skipped    bool
	charged    int // what it counts in Conn.buffered
}

func (m *incoming) answer() bool { return m.call != nil }

// streamed tells whether the body goes to a writer. That of an error answer does not.
func (m *incoming) streamed() bool {
	return m.answer() && m.call.to != nil && m.flags&typeMask == typeAnswer
}

// take adds what a frame carried, or a piece of it.
func (m *incoming) take(content []byte) error {
	m.total += len(content)
	if !m.known {
		var err error
		if content, err = m.takeHead(content); err != nil || !m.known {
			return err
		}
	}
	return m.takeBody(content)
}

// arrived counts a frame of which everything was taken.
func (m *incoming) arrived(counted int) error {
	m.received += uint64(counted)
	m.frames++
	if m.frames > freeFrames+m.total/frameYield {
		return fmt.Errorf("%w: a message of too many frames", ErrLimit)
	}
	if m.streamed() {
		return m.call.to.arrived(m.number, m.received)
	}
	return nil
}

// takeHead takes length and properties, and returns what is behind them. The length is
// looked at before memory is made for it: it is the peer's word (blip.md 2.3).
func (m *incoming) takeHead(content []byte) (rest []byte, err error) {
	before := len(m.head)
	window := append(m.head, content[:min(len(content), binary.MaxVarintLen64)]...)
	size, n := binary.Uvarint(window)
	switch {
	case n < 0 || n == 0 && len(window) >= binary.MaxVarintLen64:
		return nil, fmt.Errorf("%w: a message without the length of its properties", ErrProtocol)
	case n == 0:
		m.head = window
		return nil, m.charge(len(content))
	case size > uint64(m.conn.limits.Properties):
		return nil, fmt.Errorf("%w: properties of more than %d bytes", ErrLimit, m.conn.limits.Properties)
	}
	want := n + int(size) - before
	if len(content) < want {
		m.head = append(m.head[:before], content...)
		return nil, m.charge(len(content))
	}
	whole := content[:want]
	if before > 0 {
		m.head = append(m.head[:before], whole...)
		whole = m.head
	}
	if m.properties, err = parseProperties(whole[n:]); err != nil {
		return nil, err
	}
	m.head, m.known = nil, true
	if err = m.charge(want + len(m.properties)*int(unsafe.Sizeof(Property{}))); err != nil {
		return nil, err
	}
	m.limit = m.bodyLimit()
	return content[want:], nil
}

func (m *incoming) bodyLimit() int {
	if m.answer() {
		return m.conn.limits.Response
	}
	return m.conn.limits.Message(m.properties.Value("Profile"))
}

func (m *incoming) takeBody(content []byte) error {
	if len(content) == 0 {
		return nil
	}
	if m.answer() {
		if m.call.gone.Load() {
			return nil // nobody waits for it any more
		}
		if m.streamed() {
			return m.call.to.push(content)
		}
	}
	if m.skipped || len(content) > m.limit-m.body.size {
		return m.skip()
	}
	before := m.body.memory
	m.body.add(content)
	return m.charge(m.body.memory - before)
}

// skip throws away the body of a message that is too large, if its profile allows it.
func (m *incoming) skip() error {
	if m.total > maxSkipped || m.answer() || !m.conn.limits.Skip(m.properties.Value("Profile")) {
		return fmt.Errorf("%w: a body of more than %d bytes", ErrLimit, m.limit)
	}
	m.skipped = true
	before := m.body.memory
	m.body = pieces{}
	return m.charge(-before)
}

// charge counts memory that the message takes.
func (m *incoming) charge(n int) error {
	m.charged += n
	if !m.answer() {
		m.conn.incomplete.Add(int64(n))
	}
	return m.conn.charge(n)
}

// release counts the memory back.
func (m *incoming) release() {
	m.conn.buffered.Add(-int64(m.charged))
	m.charged = 0
}

// due tells how much is to be acknowledged now, 0 for nothing. What goes to a writer is
// acknowledged as the writer takes it.
func (m *incoming) due() uint64 {
	if m.streamed() && m.call.to.holds() {
		return 0
	}
	if m.received-m.acked < ackEvery {
		return 0
	}
	m.acked = m.received
	return m.received
}
