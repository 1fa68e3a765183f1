package rest

import (
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
)

// setHeaders sets the headers of a feed's answer. Caddy's encode leaves answers with
// no-transform alone; it would hold a window of 250 KiB for each open feed (DECISIONS
// 38). A proxy in front is asked not to hold rows back.
func (k feedKind) setHeaders(rq *request) {
	contentType := jsonType
	if k == feedEventSource {
		contentType = "text/event-stream"
	}
	rq.set("Content-Type", contentType)
	if k != feedNormal {
		rq.set("Cache-Control", "private, no-cache, no-transform")
		rq.set("X-Accel-Buffering", "no")
	}
}

// lines reports whether each row must stand in a line of its own.
func (k feedKind) lines() bool { return k == feedContinuous || k == feedEventSource }

// appendOpening appends what stands before the first row. A feed of lines begins with a
// sign of life: Caddy's encode holds back the headers of an answer until its first byte,
// and the client of an idle feed would not know that it is open.
func (k feedKind) appendOpening(b []byte) []byte {
	if k.lines() {
		return k.appendHeartbeat(b)
	}
	return append(b, `{"results":[`...)
}

// appendBefore appends what stands between the row before and this one.
func (k feedKind) appendBefore(b []byte, first bool) []byte {
	switch {
	case k == feedEventSource:
		return append(b, "data: "...)
	case k == feedWebSocket:
		return append(b, ',') // of the first of a message, its opening bracket is made
	case k == feedContinuous:
		return b
	case first:
		return append(b, '\n')
	}
	return append(b, ",\n"...)
}

// appendAfter appends what ends a row.
func (k feedKind) appendAfter(b []byte, seqs *sequences, at syncstore.Cursor) []byte {
	switch k {
	case feedEventSource:
		b = append(b, "\nid: "...)
		b = seqs.append(b, at)
		return append(b, "\n\n"...)
	case feedContinuous:
		return append(b, '\n')
	}
	return b
}

// appendHeartbeat appends a sign of life: white space, or a comment to an event source.
func (k feedKind) appendHeartbeat(b []byte) []byte {
	if k == feedEventSource {
		return append(b, ":\n\n"...)
	}
	return append(b, '\n')
}

// appendEnd appends what completes the answer. The last sequence is always a string
// (DECISIONS 34). To an event source it is an event of its own name, which a page's
// onmessage does not get, and the ID that the browser comes back with.
func (k feedKind) appendEnd(b []byte, last string, pending uint64, known bool) []byte {
	switch k {
	case feedEventSource:
		b = append(b, `event: last_seq`+"\n"+`data: {`...)
	case feedContinuous:
		b = append(b, '{')
	default:
		b = append(b, "\n],\n"...)
	}
	b = append(b, `"last_seq":"`...)
	b = append(b, last...)
	b = append(b, '"')
	if known {
		b = append(b, `,"pending":`...)
		b = strconv.AppendUint(b, pending, 10)
	}
	b = append(b, '}')
	return k.appendAfterEnd(b, last)
}

func (k feedKind) appendAfterEnd(b []byte, last string) []byte {
	if k != feedEventSource {
		return append(b, '\n')
	}
	b = append(append(b, "\nid: "...), last...)
	return append(b, "\n\n"...)
}
