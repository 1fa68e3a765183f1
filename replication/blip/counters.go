package blip

import "sync/atomic"

// Counters count what connections exchange. One may serve many connections.
type Counters struct {
	MessagesIn, MessagesOut atomic.Uint64
	// BytesIn and BytesOut are of frames, as they are on the wire.
	BytesIn, BytesOut atomic.Uint64
}
