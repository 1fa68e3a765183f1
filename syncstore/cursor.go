package syncstore

import (
	"fmt"
	"strconv"
	"strings"
)

// Cursor is a position in the feed of changes (DECISIONS 34). Without an Event it stands
// after the change of sequence Seq. With one, in the rows that the event at that sequence
// brought or took, because somebody was given channels or lost them, after that of the
// document whose sequence is Seq. All of an event's rows come before the change of its own
// sequence. The zero Cursor is the beginning.
type Cursor struct {
	Event, Seq uint64
}

// At is the position after the change of a sequence.
func At(seq uint64) Cursor { return Cursor{Seq: seq} }

// Compare orders positions as the feed does: -1, 0, 1.
func (c Cursor) Compare(o Cursor) int {
	switch a, b := c.major(), o.major(); {
	case a != b && a < b:
		return -1
	case a != b:
		return 1
	case c.Event == 0 && o.Event == 0:
		return 0
	case c.Event == 0:
		return 1
	case o.Event == 0 || c.Seq < o.Seq:
		return -1
	case c.Seq > o.Seq:
		return 1
	}
	return 0
}

// major is the sequence at which everything before is known.
func (c Cursor) major() uint64 {
	if c.Event != 0 {
		return c.Event
	}
	return c.Seq
}

// String is "S", or "E:S" with an event.
func (c Cursor) String() string { return string(c.Append(nil)) }

// Append appends the text of String.
func (c Cursor) Append(b []byte) []byte {
	if c.Event != 0 {
		b = append(strconv.AppendUint(b, c.Event, 10), ':')
	}
	return strconv.AppendUint(b, c.Seq, 10)
}

// ParseCursor reads a position: "S", "E:S", and Sync Gateway's "L::S" and "L:E:S", of
// which it goes on at L, since what came before S late may not have been shown.
// ErrBadCursor.
func ParseCursor(text string) (Cursor, error) {
	parts := strings.Split(text, ":")
	numbers := make([]uint64, len(parts))
	for i, part := range parts {
		if part == "" && i == 1 && len(parts) == 3 {
			continue
		}
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return Cursor{}, fmt.Errorf("%w: %q", ErrBadCursor, text)
		}
		numbers[i] = n
	}
	switch len(parts) {
	case 1:
		return Cursor{Seq: numbers[0]}, nil
	case 2:
		return Cursor{Event: numbers[0], Seq: numbers[1]}, nil
	case 3:
		return Cursor{Seq: min(numbers[0], numbers[2])}, nil
	}
	return Cursor{}, fmt.Errorf("%w: %q", ErrBadCursor, text)
}
