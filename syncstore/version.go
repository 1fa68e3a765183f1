package syncstore

import (
	"encoding/base64"
	"iter"
	"slices"
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

// Covers reports whether the writer of v had seen other. An encoded tree ID is seen only if
// it is there itself: a higher one may be of another branch.
func (v Vector) Covers(other Version) bool {
	if other.Source != treeSource {
		return v.time(other.Source) >= other.Time
	}
	return v.Current == other || slices.Contains(v.Merged, other) || slices.Contains(v.Previous, other)
}

// time is that of the newest version of a source in v, 0 if there is none.
func (v Vector) time(source SourceID) uint64 {
	var newest uint64
	for known := range v.all() {
		if known.Source == source {
			newest = max(newest, known.Time)
		}
	}
	return newest
}

// all are the versions in v.
func (v Vector) all() iter.Seq[Version] {
	return func(yield func(Version) bool) {
		if v.Current.IsZero() || !yield(v.Current) {
			return
		}
		for _, list := range [2][]Version{v.Merged, v.Previous} {
			for _, known := range list {
				if !yield(known) {
					return
				}
			}
		}
	}
}

// Join returns v, which is taken in the place of ours, with what ours knows and v does not. v
// must not have an older version of its current source than ours.
func (v Vector) Join(ours Vector) Vector {
	joined := Vector{Current: v.Current, Merged: v.Merged, Previous: slices.Clone(v.Previous)}
	if slices.ContainsFunc(v.Merged, func(merged Version) bool {
		return merged.Source != v.Current.Source && ours.time(merged.Source) > merged.Time
	}) {
		joined.settleMerged()
	}
	for known := range ours.all() {
		if joined.time(known.Source) >= known.Time {
			continue
		}
		at := slices.IndexFunc(joined.Previous, func(previous Version) bool { return previous.Source == known.Source })
		if at < 0 {
			joined.Previous = append(joined.Previous, known)
		} else {
			joined.Previous[at].Time = known.Time
		}
	}
	return joined.bounded()
}

// settleMerged makes previous versions of those that were merged.
func (v *Vector) settleMerged() {
	for _, merged := range v.Merged {
		if merged.Source != v.Current.Source {
			v.Previous = append(v.Previous, merged)
		}
	}
	v.Merged = nil
}

// bounded returns v without the oldest entries, if there are too many. It owns Previous.
func (v Vector) bounded() Vector {
	if len(v.Merged) > maxPrevious {
		v.settleMerged()
	}
	v.Previous = newest(v.Previous, maxPrevious)
	return v
}

// alone reports whether v is a version that followed no other.
func (v Vector) alone() bool { return len(v.Merged)+len(v.Previous) == 0 }

// mergedTheSame reports whether both resolved the same conflict.
func (v Vector) mergedTheSame(other Vector) bool {
	if len(v.Merged) == 0 || len(v.Merged) != len(other.Merged) {
		return false
	}
	return !slices.ContainsFunc(v.Merged, func(merged Version) bool { return !slices.Contains(other.Merged, merged) })
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
	return next.bounded()
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
