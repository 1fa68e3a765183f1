package syncstore

import (
	"cmp"
	"slices"
	"strings"
)

// channelSpan is a grant of a channel and how long it lasted. in is the collection's number, or
// inEverything.
type channelSpan struct {
	in     uint32
	name   string
	during interval
}

// channelTimes is when somebody had a channel. Lists of them are in order of collection and
// name, and compact: ten thousand people with open feeds have one each.
type channelTimes struct {
	in    uint32
	name  string
	times timeline
}

// packNames lets spans share one string for all names: of ten thousand people with fifty channels
// each, every name would be something for the garbage collector to look at.
func packNames(spans []channelSpan) {
	var text strings.Builder
	for i := range spans {
		text.WriteString(spans[i].name)
	}
	all := text.String()
	for i := range spans {
		n := len(spans[i].name)
		spans[i].name, all = all[:n], all[n:]
	}
}

// timesOf joins spans by channel. It sorts them.
func timesOf(spans []channelSpan) []channelTimes {
	slices.SortFunc(spans, func(a, b channelSpan) int {
		return cmp.Or(cmp.Compare(a.in, b.in), strings.Compare(a.name, b.name), cmp.Compare(a.during.from, b.during.from))
	})
	all := make([]channelTimes, 0, len(spans))
	intervals := make([]interval, 0, len(spans)) // of all: none is longer than what it is made of
	for i := 0; i < len(spans); {
		first, begin := spans[i], len(intervals)
		for ; i < len(spans) && spans[i].in == first.in && spans[i].name == first.name; i++ {
			during := spans[i].during
			switch n := len(intervals); {
			case during.from >= during.to:
			case n > begin && during.from <= intervals[n-1].to:
				intervals[n-1].to = max(intervals[n-1].to, during.to)
			default:
				intervals = append(intervals, during)
			}
		}
		if n := len(intervals); n > begin {
			all = append(all, channelTimes{in: first.in, name: first.name, times: intervals[begin:n:n]})
		}
	}
	return all
}

// inCollection are the channels of one collection, or of all.
func inCollection(all []channelTimes, in uint32) []channelTimes {
	begin, _ := slices.BinarySearchFunc(all, in, func(c channelTimes, in uint32) int { return cmp.Compare(c.in, in) })
	end := begin
	for end < len(all) && all[end].in == in {
		end++
	}
	return all[begin:end]
}

// named returns when a channel of one collection was had, nil if it never was.
func named(all []channelTimes, name string) timeline {
	at, found := slices.BinarySearchFunc(all, name, func(c channelTimes, name string) int { return strings.Compare(c.name, name) })
	if !found {
		return nil
	}
	return all[at].times
}
