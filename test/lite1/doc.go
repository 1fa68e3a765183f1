// Package lite1 is a Couchbase Lite 1.4 for tests: a device that keeps documents of its own and
// replicates them over REST, request by request as the editions for Java (Android), .NET and
// iOS do, with their headers, and as strict with what a server answers as they are. What it
// does was read in their public sources (tag 1.4.4); nothing of those is here. What a server
// sends is decoded by code that shares nothing with the server's.
//
//	device := lite1.NewDevice(t, lite1.Java)
//	device.Put("first", `{"n":1}`)
//	device.Sync(lite1.Config{URL: url, Push: true})
//
// A replication has one direction, as in 1.x. A one-shot one is over when Sync returns;
// Start begins a continuous one. Java pulls by longpoll; .NET and iOS by WebSocket.
package lite1
