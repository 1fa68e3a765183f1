package caddysync

import (
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"sync"
)

const (
	// garbageShare is the part of a store's memory that garbage may take before it is collected,
	// if the heap is smaller than that: Go's own measure is the heap alone, so that a server with
	// little in use and much memory would collect many times a second.
	garbageShare = 4
	// usualPercent is Go's own measure, and what holds when the heap has grown.
	usualPercent = 100
	maxPercent   = 800
)

// garbageRoom has garbage collected when it takes as much as what is in use, or a share of the
// store's memory if that is more.
type garbageRoom struct {
	bytes uint64

	mu      sync.Mutex
	percent int
	before  int
	ended   bool
}

// giveGarbageRoom leaves garbage a share of a store's memory, within the memory limit, and returns
// how to take that back. An operator's GOGC wins.
func giveGarbageRoom(memory int64) (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	g := &garbageRoom{bytes: uint64(memory) / garbageShare, percent: usualPercent}
	g.before = debug.SetGCPercent(g.percent)
	g.arm()
	return g.end
}

// arm has measure called after the next collection.
func (g *garbageRoom) arm() {
	type token struct{ self *garbageRoom } // with a pointer: tiny objects are freed together
	runtime.AddCleanup(&token{g}, (*garbageRoom).measure, g)
}

// measure sets how much may be allocated until the next collection.
func (g *garbageRoom) measure() {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(sample)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	// Setting it stops the world for a moment.
	if p := g.percentFor(sample[0].Value.Uint64()); p > g.percent+g.percent/8 || p < g.percent-g.percent/8 {
		debug.SetGCPercent(p)
		g.percent = p
	}
	g.arm()
}

// percentFor returns GOGC for what is in use, in bytes.
func (g *garbageRoom) percentFor(live uint64) int {
	if live == 0 {
		return usualPercent
	}
	return int(min(max(usualPercent, 100*g.bytes/live), maxPercent))
}

func (g *garbageRoom) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	debug.SetGCPercent(g.before)
}
