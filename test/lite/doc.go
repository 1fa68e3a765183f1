// Package lite is a Couchbase Lite for tests: a device that keeps documents of its own,
// replicates them as versions 2.8, 3.2 and 4.0 do, and is as strict as they are
// (reference/blip.md sections 0, 1.1, 2.1, 3 and 8). What a server sends is decoded and
// checked on the wire, by code that shares nothing with the server's. A violation fails the
// test and cites its rule.
//
//	device := lite.NewDevice(t, lite.V32)
//	device.Put("first", `{"n":1}`)
//	device.Sync(lite.Config{URL: url, Push: true, Pull: true})
package lite
