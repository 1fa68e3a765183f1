// Package lite replicates documents with Couchbase Lite, versions 2.0 to 4.x, over BLIP on
// a WebSocket: the subprotocols BLIP_3+CBMobile_2, _3 and _4 (reference/blip.md).
//
// A Server accepts handshakes and makes a replication of each. A replication has a
// connection, the collections that its client named, for each of them at most one feed of
// changes (pull), and a queue of revisions that came (push).
package lite
