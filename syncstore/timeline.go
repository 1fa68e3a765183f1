package syncstore

import (
	"cmp"
	"math"
	"slices"
)

// interval is from one sequence up to another, which is not in it; to is forever while it
// lasts.
type interval struct{ from, to uint64 }

const forever = math.MaxUint64

// timeline is when somebody had something: intervals in order that do not touch.
type timeline []interval

// always is a timeline of everything there was.
func always() timeline { return timeline{{0, forever}} }

// open reports whether it lasts.
func (t timeline) open() bool { return len(t) > 0 && t[len(t)-1].to == forever }

// merged returns intervals in order, those that meet joined.
func merged(intervals []interval) timeline {
	intervals = slices.Clone(intervals)
	slices.SortFunc(intervals, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	var t timeline
	for _, i := range intervals {
		if i.from >= i.to {
			continue
		}
		if n := len(t); n > 0 && i.from <= t[n-1].to {
			t[n-1].to = max(t[n-1].to, i.to)
			continue
		}
		t = append(t, i)
	}
	return t
}

// and is when both had it.
func (t timeline) and(o timeline) []interval {
	var both []interval
	for i, j := 0, 0; i < len(t) && j < len(o); {
		from, to := max(t[i].from, o[j].from), min(t[i].to, o[j].to)
		if from < to {
			both = append(both, interval{from, to})
		}
		if t[i].to < o[j].to {
			i++
		} else {
			j++
		}
	}
	return both
}

// while is what of t was at the time of another. It is t itself if that is all.
func (t timeline) while(o timeline) timeline {
	if len(t) == 1 && len(o) == 1 && o[0].from <= t[0].from && t[0].to <= o[0].to {
		return t
	}
	return merged(t.and(o))
}
