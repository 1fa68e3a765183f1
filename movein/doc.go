// Package movein takes a database over from another server, for good: its documents with their
// revisions and attachments by CouchDB's replication protocol, and from an administrator's interface
// its users, roles and channels. It reads from one server and writes to another, both by HTTP, and
// keeps nothing but a checkpoint at the target, so that it can be ended at any moment and begun again.
// In the end it compares both sides.
//
// What cannot be taken over is said, never left out in silence.
package movein
