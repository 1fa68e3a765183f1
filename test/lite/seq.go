package lite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// parseSeq reads a sequence as 4.0 does, which compares them: 123, "5:20" or "5::20" (blip.md
// 3.11). Without an event it is 0.
func parseSeq(text string) (event, seq uint64, err error) {
	var quoted string
	if json.Unmarshal([]byte(text), &quoted) != nil {
		seq, err = strconv.ParseUint(text, 10, 64)
		return 0, seq, err
	}
	parts := strings.Split(quoted, ":")
	if len(parts) > 3 {
		return 0, 0, fmt.Errorf("the sequence %s", text)
	}
	if len(parts) == 3 {
		parts = parts[1:] // before it is the low one
	}
	if seq, err = strconv.ParseUint(parts[len(parts)-1], 10, 64); err != nil {
		return 0, 0, err
	}
	if len(parts) == 2 && parts[0] != "" {
		event, err = strconv.ParseUint(parts[0], 10, 64)
	}
	return event, seq, err
}

// compareSeq orders sequences: those of an event come before the event's own.
func compareSeq(event, seq, otherEvent, otherSeq uint64) int {
	a, b := event, otherEvent
	if event == 0 {
		a = seq
	}
	if otherEvent == 0 {
		b = otherSeq
	}
	if a != b {
		return cmp.Compare(a, b)
	}
	if event == 0 || otherEvent == 0 {
		return cmp.Compare(otherEvent, event) // without an event comes last
	}
	return cmp.Compare(seq, otherSeq)
}
