package auth

import "time"

const (
	meterRows  = 4
	meterBits  = 16
	meterCells = 1 << meterBits // of each row
)

// meter is token buckets for any number of keys in fixed memory (2 MiB). A map of buckets
// must forget some when it is full, and then who comes from many addresses gets new ones
// by pushing the old ones out. Here nothing is pushed out: each key has a bucket in each
// row, which it shares with others, and what the least drawn one says counts (a count-min
// sketch with conservative update). A stranger is held back wrongly only if all four of
// theirs are overdrawn by others: with ten thousand overdrawn keys at once, one stranger
// in two thousand. Which keys share a bucket depends on a secret seed. This is why
// golang.org/x/time/rate is not used: it has one bucket, and its keys are the question.
//
// A bucket is one number, the time at which it will be full again (the generic cell rate
// algorithm).
type meter struct {
	burst time.Duration // as many times every as there are tokens
	every time.Duration // a token comes
	full  *[meterRows][meterCells]time.Duration
}

func newMeter(burst int, every time.Duration) meter {
	return meter{burst: every * time.Duration(burst), every: every, full: new([meterRows][meterCells]time.Duration)}
}

func (m *meter) cell(row int, hash uint64) *time.Duration {
	return &m.full[row][hash>>(row*meterBits)%meterCells]
}

func (m *meter) least(hash uint64) time.Duration {
	least := *m.cell(0, hash)
	for row := range meterRows {
		least = min(least, *m.cell(row, hash))
	}
	return least
}

// wait is how long until hash has a token; 0 or less if it has one.
func (m *meter) wait(hash uint64, now time.Duration) time.Duration {
	return max(m.least(hash), now) + m.every - m.burst - now
}

// add takes a token, also one that is not there yet. Fuller buckets than need be are left
// alone.
func (m *meter) add(hash uint64, now time.Duration) {
	full := max(m.least(hash), now) + m.every
	for row := range meterRows {
		cell := m.cell(row, hash)
		*cell = max(*cell, full)
	}
}

// remove gives a token back, to the buckets that add took it from. Now and then one that
// was as full already gets one too many: that gives somebody else one more attempt.
func (m *meter) remove(hash uint64) {
	least := m.least(hash)
	for row := range meterRows {
		if cell := m.cell(row, hash); *cell == least {
			*cell -= m.every
		}
	}
}
