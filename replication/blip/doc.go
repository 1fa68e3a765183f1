// Package blip frames messages on a WebSocket, as Couchbase Lite does: requests with
// properties and a body, in both directions at once, each answered at most once, in any
// order. It knows frames and messages, no documents.
//
// The protocol is described in reference/blip.md section 2. Both sides of a connection are
// alike, so that a Conn serves as a server's end and as a test client's.
package blip
