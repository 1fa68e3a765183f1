package caddysync

import (
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// idleAllocated is how many bytes a process allocates at most between two looks that is called
	// quiet.
	idleAllocated = 256 << 10
	// idleSpare is from how many bytes on it is worth giving them back, which takes a collection of
	// garbage; of a large heap an eighth.
	idleSpare     = 32 << 20
	idleSpareLive = 8
	// idleRest is the time from one time to the next.
	idleRest = 10 * time.Second
)

// idleMemory gives memory back to the system when the process has become quiet. Go would keep
// what ten thousand longpolls took that were answered in one second, for minutes: to it that is
// what the process may need again at once.
type idleMemory struct {
	allocated uint64
	rested    time.Time // when memory was last given back
}

// memoryUse is what the process has at a moment, in bytes.
type memoryUse struct {
	allocated uint64 // in all, ever
	live      uint64 // what the last collection found
	spare     uint64 // what a collection would find and what is free already, about
}

// look gives memory back if it is time to. It is called at intervals.
func (i *idleMemory) look() {
	if i.due(readMemoryUse(), time.Now()) {
		debug.FreeOSMemory()
	}
}

func (i *idleMemory) due(use memoryUse, now time.Time) bool {
	quiet := use.allocated-i.allocated <= idleAllocated
	i.allocated = use.allocated
	if !quiet || use.spare < max(idleSpare, use.live/idleSpareLive) || now.Sub(i.rested) < idleRest {
		return false
	}
	i.rested = now
	return true
}

func readMemoryUse() memoryUse {
	samples := []runtimemetrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	runtimemetrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != runtimemetrics.KindUint64 {
			return 0 // a later Go may not have it: then nothing is given back
		}
		return samples[i].Value.Uint64()
	}
	use := memoryUse{allocated: value(0), live: value(1), spare: value(3)}
	if objects := value(2); objects > use.live {
		use.spare += objects - use.live
	}
	return use
}
