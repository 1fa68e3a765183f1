package auth

import (
	"container/heap"
	"time"
)

// leaseHeap orders leases by when they must be looked at; the next one is first.
type leaseHeap []*Lease

// Len implements heap.Interface.
func (h leaseHeap) Len() int { return len(h) }

// Less implements heap.Interface.
func (h leaseHeap) Less(i, j int) bool { return h[i].wake.Before(h[j].wake) }

// Swap implements heap.Interface.
func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *leaseHeap) Push(x any) {
	l := x.(*Lease) //nolint:forcetypeassert // only plan pushes
	l.place = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *leaseHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	l.place = -1
	return l
}

// plan puts l into the heap and arms the timer if l is first. mu is held.
func (h *leaseHub) plan(l *Lease) {
	heap.Push(&h.heap, l)
	if l.place == 0 {
		h.arm()
	}
}

// unplan takes l out of the heap. The timer may then ring for nothing. mu is held.
func (h *leaseHub) unplan(l *Lease) {
	if l.place >= 0 {
		heap.Remove(&h.heap, l.place)
	}
}

// arm sets the timer to the first lease. mu is held.
func (h *leaseHub) arm() {
	if len(h.heap) == 0 {
		return
	}
	wait := max(time.Until(h.heap[0].wake), 0)
	if h.timer == nil {
		h.timer = time.AfterFunc(wait, h.alarm)
		return
	}
	h.timer.Reset(wait)
}
