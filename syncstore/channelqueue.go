package syncstore

import "container/heap"

// channelQueue are channels that a feed reads from page to page, in the order of their next
// rows: of ten thousand channels, each granted by itself, only those are opened that have
// something for the page.
type channelQueue []queuedChannel

type queuedChannel struct {
	name string
	// next is the lowest sequence that the channel's next row may have; rows from to on are
	// not wanted.
	next, to uint64
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q *channelQueue) Len() int           { return len(*q) }
func (q *channelQueue) Less(i, j int) bool { return (*q)[i].next < (*q)[j].next }
func (q *channelQueue) Swap(i, j int)      { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }

// Push implements heap.Interface.
func (q *channelQueue) Push(x any) { *q = append(*q, x.(queuedChannel)) }

// Pop implements heap.Interface.
func (q *channelQueue) Pop() any {
	all := *q
	last := all[len(all)-1]
	*q = all[:len(all)-1]
	return last
}

func (q *channelQueue) put(c queuedChannel) {
	if c.next < c.to {
		heap.Push(q, c)
	}
}

// gather reads a page of rows from one sequence up to another, which is left out. The next
// page begins there, or after the last row if the page is full.
func (q *channelQueue) gather(c *channelRows, from, to uint64) error {
	var used []queuedChannel
	for len(*q) > 0 {
		if next := (*q)[0].next; next >= to || c.fullBefore(next) {
			break
		}
		channel := heap.Pop(q).(queuedChannel)
		next, gave, err := c.add(channel.name, max(from, channel.next), min(to, channel.to))
		if err != nil {
			return err
		}
		channel.next = next
		if gave {
			used = append(used, channel)
		} else {
			q.put(channel)
		}
	}
	for _, channel := range used {
		if c.full() {
			channel.next = c.last() + 1 // rows after it may have been pushed out
		}
		q.put(channel)
	}
	return nil
}
