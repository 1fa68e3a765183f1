// Package peer replicates between a collection of this server and a database of another,
// as a client of CouchDB's replication protocol: what the other has is pulled, or what is
// here is pushed. It works with CouchDB, with PouchDB's server, with Sync Gateway's REST and
// with other servers of this kind.
//
// A Replication is one direction. It reads changes a page at a time, asks which revisions
// are missing at the target, and takes those over with their ancestry, deletions and
// attachments, all leaves, so that conflicts stay what they are. How far it came is kept
// in a checkpoint on both sides; a stop at any moment costs no more than a page that is
// compared again. A Manager keeps the replications of a server.
package peer
