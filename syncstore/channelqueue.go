package syncstore

import (
	"container/heap"
	"slices"
)

// channelQueue are channels that a feed reads from page to page, in the order of their next
// rows: of ten thousand channels, each granted by itself, only those are opened that have
// something for the page.
type channelQueue []*queuedChannel

type queuedChannel struct {
	name string
	// next is the lowest sequence that the channel's next row may have; rows from to on are
	// not wanted.
	next, to uint64
	ended    map[string]uint64
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q *channelQueue) Len() int           { return len(*q) }
func (q *channelQueue) Less(i, j int) bool { return (*q)[i].next < (*q)[j].next }
func (q *channelQueue) Swap(i, j int)      { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }

// Push implements heap.Interface.
func (q *channelQueue) Push(x any) { *q = append(*q, x.(*queuedChannel)) }

// Pop implements heap.Interface.
func (q *channelQueue) Pop() any {
	all := *q
	last := all[len(all)-1]
	all[len(all)-1] = nil
	*q = all[:len(all)-1]
	return last
}

// put queues a channel unless all that is wanted of it was read. Where that is, is noted in
// ended, if it is not nil.
func (q *channelQueue) put(c *queuedChannel) {
	if c.next < c.to {
		heap.Push(q, c)
	} else if c.ended != nil {
		c.ended[c.name] = c.next
	}
}

// gather reads a page of rows from one sequence up to another, which is left out. The next
// page begins there, or after the last row if the page is full. known, if not nil, is where
// channels of which something was read before have their next row.
func (q *channelQueue) gather(c *channelRows, from, to uint64, known map[string]uint64) error {
	used := c.used[:0]
	defer func() {
		clear(used)
		c.used = used
	}()
	for len(*q) > 0 {
		if next := (*q)[0].next; next >= to || c.fullBefore(next) {
			break
		}
		channel := heap.Pop(q).(*queuedChannel)
		if next := known[channel.name]; next > channel.next {
			channel.next = next
			q.put(channel)
			continue
		}
		next, gave, err := c.add(channel.name, max(from, channel.next), min(to, channel.to))
		if err != nil {
			return err
		}
		channel.next = next
		if len(gave) > 0 {
			used = append(used, usedChannel{channel, gave})
		} else {
			q.put(channel)
		}
	}
	for _, channel := range used {
		if c.full() {
			channel.pushedOut(c.last())
		}
		q.put(channel.queuedChannel)
	}
	return nil
}

// usedChannel is a channel that gave rows to a page, with their sequences.
type usedChannel struct {
	*queuedChannel
	gave []uint64
}

// pushedOut lets the channel go on with the first of its rows that found no room in the page,
// whose last row is given.
func (u *usedChannel) pushedOut(last uint64) {
	if at, _ := slices.BinarySearch(u.gave, last+1); at < len(u.gave) {
		u.next = u.gave[at]
	}
}
