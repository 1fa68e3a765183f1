// Package syncack proves that a write is acknowledged only after its sync to disk
// (DECISIONS 41). SIGKILL cannot show a missing sync, since the page cache survives it;
// the order of the server's system calls can. The server runs under strace, a client
// stamps its writes, and between the read of a stamped request and the write of its
// answer a sync of the store's log must have begun and ended.
package syncack
