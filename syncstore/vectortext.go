package syncstore

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// minVersionTime and maxVersionTime bound the times that Couchbase Lite takes: a vector
	// with another one would never reach a client (reference/blip.md 5.4).
	minVersionTime = 1 << 40
	maxVersionTime = 1<<63 - 1
	// treeBits are those of an encoded tree ID's time that are the digest's.
	treeBits = 40
	// maxVectorEntries bounds the versions and tree IDs in one text.
	maxVectorEntries = 1000
)

// treeSource is the source of versions that encode tree IDs: its text reads
// "Revision+Tree+Encoding".
var treeSource = SourceID{
	0x45, 0xeb, 0xe2, 0xb2, 0x2a, 0x27, 0xf9, 0x3a, 0xde, 0x7b, 0xe1, 0x27, 0x72, 0x87, 0x62, 0x9e,
}

// ParseVersion reads "<hex time>@<source>" (reference/blip.md 5.4). ErrBadVersion.
func ParseVersion(text string) (Version, error) {
	digits, source, ok := strings.Cut(text, "@")
	if !ok {
		return Version{}, fmt.Errorf("%w: no source", ErrBadVersion)
	}
	if len(digits) == 0 || len(digits) > 16 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return Version{}, fmt.Errorf("%w: the time is not hexadecimal", ErrBadVersion)
	}
	v := Version{}
	v.Time, _ = strconv.ParseUint(digits, 16, 64) // 16 digits always fit
	if v.Time < minVersionTime || v.Time > maxVersionTime {
		return Version{}, fmt.Errorf("%w: time out of range", ErrBadVersion)
	}
	// Strict: the bits that are left over in the last character are 0.
	if n, err := base64.RawStdEncoding.Strict().Decode(v.Source[:], sourceText(source)); err != nil || n != len(v.Source) {
		return Version{}, fmt.Errorf("%w: a source is 22 characters of base64", ErrBadVersion)
	}
	if v.Source == (SourceID{}) {
		return Version{}, fmt.Errorf("%w: the source is zero", ErrBadVersion)
	}
	return v, nil
}

// sourceText is a source's text as bytes, nil if it has not the length of one.
func sourceText(source string) []byte {
	if len(source) != base64.RawStdEncoding.EncodedLen(len(SourceID{})) {
		return nil
	}
	return []byte(source)
}

// ParseVector reads a vector as Couchbase Lite writes it: a current version, what it merged,
// earlier versions, and then tree IDs of revisions before there were versions, newest first.
// ErrBadVersion.
func ParseVector(text string) (v Vector, legacy []Rev, err error) {
	if strings.Count(text, ",")+strings.Count(text, ";") >= maxVectorEntries {
		return Vector{}, nil, fmt.Errorf("%w: more than %d entries", ErrBadVersion, maxVectorEntries)
	}
	newer, older, _ := strings.Cut(text, ";")
	for i, entry := range strings.Split(newer, ",") {
		version, err := ParseVersion(strings.Trim(entry, " "))
		if err != nil {
			return Vector{}, nil, err
		}
		if i == 0 {
			v.Current = version
		} else {
			v.Merged = append(v.Merged, version)
		}
	}
	if older = strings.Trim(older, " "); older != "" {
		if v.Previous, legacy, err = parseOlder(older); err != nil {
			return Vector{}, nil, err
		}
	}
	if err := v.check(); err != nil {
		return Vector{}, nil, err
	}
	return v, legacy, nil
}

// parseOlder reads what stands behind the ";": versions, then tree IDs.
func parseOlder(text string) (previous []Version, legacy []Rev, err error) {
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.Trim(entry, " ")
		if len(legacy) > 0 || !strings.Contains(entry, "@") {
			rev, err := ParseRev(entry)
			if err != nil {
				return nil, nil, fmt.Errorf("%w: neither a version nor a tree ID", ErrBadVersion)
			}
			legacy = append(legacy, rev)
			continue
		}
		version, err := ParseVersion(entry)
		if err != nil {
			return nil, nil, err
		}
		previous = append(previous, version)
	}
	return previous, legacy, nil
}

// ParseRevision reads the properties "rev" and "history" of a revision that has a version
// (reference/blip.md 5.5). ErrBadVersion.
func ParseRevision(rev, history string) (v Vector, legacy []Rev, err error) {
	switch {
	case history == "":
		return ParseVector(rev)
	case strings.Contains(history, ";"):
		return ParseVector(rev + "," + history)
	default:
		return ParseVector(rev + ";" + history)
	}
}

// check refuses a vector that contradicts itself: a source is once among the merged and
// previous versions, and that of the current version only among those it merged.
func (v Vector) check() error {
	seen := make(map[SourceID]struct{}, len(v.Merged)+len(v.Previous))
	for _, known := range slices.Concat(v.Merged, v.Previous) {
		if _, twice := seen[known.Source]; twice {
			return fmt.Errorf("%w: a source is there twice", ErrBadVersion)
		}
		seen[known.Source] = struct{}{}
	}
	for _, known := range v.Merged {
		if known.Source == v.Current.Source && known.Time > v.Current.Time {
			return fmt.Errorf("%w: the current version is older than one it merged", ErrBadVersion)
		}
	}
	for _, known := range v.Previous {
		if known.Source == v.Current.Source {
			return fmt.Errorf("%w: the current version's source is among the previous", ErrBadVersion)
		}
	}
	return nil
}

// Append appends v's text to b.
func (v Version) Append(b []byte) []byte {
	b = strconv.AppendUint(b, v.Time, 16)
	b = append(b, '@')
	return base64.RawStdEncoding.AppendEncode(b, v.Source[:])
}

// Append appends the whole vector's text, as ParseVector reads it.
func (v Vector) Append(b []byte) []byte {
	if v.Current.IsZero() {
		return b
	}
	b = v.Current.Append(b)
	switch {
	case len(v.Merged) > 0:
		b = append(b, ',')
	case len(v.Previous) > 0:
		b = append(b, ';')
	}
	return v.AppendHistory(b)
}

// AppendHistory appends the vector without its current version, as the property "history"
// has it: "merged,merged;previous,…", or the previous ones alone, or nothing.
func (v Vector) AppendHistory(b []byte) []byte {
	if len(v.Merged) > 0 {
		b = append(appendVersions(b, v.Merged), ';')
	}
	return appendVersions(b, v.Previous)
}

func appendVersions(b []byte, versions []Version) []byte {
	for i, version := range versions {
		if i > 0 {
			b = append(b, ',')
		}
		b = version.Append(b)
	}
	return b
}

// VersionOfRev encodes a tree ID as a version (reference/blip.md 5.4): the generation, and
// the first five bytes of the digest. A generation that would not fit counts as the highest
// that does.
func VersionOfRev(rev Rev) Version {
	const maxGen = maxVersionTime >> treeBits
	time := min(rev.Gen, maxGen) << treeBits
	packed := packDigest(rev.Digest)[1:]
	for i := range min(len(packed), treeBits/8) {
		time |= uint64(packed[i]) << (treeBits - 8*(i+1))
	}
	return Version{Time: time, Source: treeSource}
}
