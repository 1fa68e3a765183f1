// Package harness starts the built caddy-sync binary on loopback and drives real
// clients against it. The end-to-end tests, the benchmarks and the crash test share it.
//
// A test calls New; a program calls Start and closes the server itself:
//
//	server, err := harness.Start(ctx, harness.Options{})
//	defer server.Close()
//	token, err := server.Token(ctx, "alice", nil)
//
// Every server has its own folder, ports and process group, so that any number of them
// run side by side and each can be killed and started again on its own store.
package harness
