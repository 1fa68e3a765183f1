package syncstore

import (
	"encoding/base64"
	"strconv"
)

// SourceID names a writer of versions: 16 random bytes, made once for each database
// on each node (DECISIONS 24).
type SourceID [16]byte

// String returns the 22 characters of unpadded base64 that Couchbase Lite uses.
func (s SourceID) String() string { return base64.RawStdEncoding.EncodeToString(s[:]) }

// Version is one entry of a version vector: a hybrid logical time (nanoseconds since
// 1970, low 16 bits a counter) and who made it.
type Version struct {
	Time   uint64
	Source SourceID
}

// IsZero reports whether v names no version.
func (v Version) IsZero() bool { return v == Version{} }

// String returns "<hex time>@<source>" as Couchbase Lite 4 writes it.
func (v Version) String() string {
	return strconv.FormatUint(v.Time, 16) + "@" + v.Source.String()
}

// Vector is a version vector: the current version, the versions that it merged, and
// the newest version of each earlier source. A source is at most once in Merged and
// Previous together.
type Vector struct {
	Current  Version
	Merged   []Version
	Previous []Version
}

// maxPrevious bounds Previous; a vector that outgrows it loses its oldest entries,
// which can at worst make a conflict out of what was none.
const maxPrevious = 64

// Covers reports whether the writer of v had seen other.
func (v Vector) Covers(other Version) bool {
	if v.Current.Source == other.Source {
		return v.Current.Time >= other.Time
	}
	for _, list := range [][]Version{v.Merged, v.Previous} {
		for _, known := range list {
			if known.Source == other.Source {
				return known.Time >= other.Time
			}
		}
	}
	return false
}

// Next returns the vector of a new version that was made with v in sight.
func (v Vector) Next(version Version) Vector {
	next := Vector{Current: version}
	add := func(known Version) {
		if known.Source != version.Source && !known.IsZero() {
			next.Previous = append(next.Previous, known)
		}
	}
	add(v.Current)
	for _, known := range v.Merged {
		if known.Source != v.Current.Source {
			add(known)
		}
	}
	for _, known := range v.Previous {
		add(known)
	}
	if len(next.Previous) > maxPrevious {
		next.Previous = newest(next.Previous, maxPrevious)
	}
	return next
}

func newest(versions []Version, n int) []Version {
	for len(versions) > n {
		oldest := 0
		for i := range versions {
			if versions[i].Time < versions[oldest].Time {
				oldest = i
			}
		}
		versions = append(versions[:oldest], versions[oldest+1:]...)
	}
	return versions
}
