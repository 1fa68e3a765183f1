package lite

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stamp is one entry of a version vector. The source is kept as its text.
type stamp struct {
	time   uint64
	source string
}

func (s stamp) String() string { return strconv.FormatUint(s.time, 16) + "@" + s.source }

// legacySource is the source of versions that encode the ID of a revision in a tree.
const legacySource = "Revision+Tree+Encoding"

// parseStamp is as strict as LiteCore is (blip.md 5.4, finding 10).
func parseStamp(text string) (stamp, error) {
	before, source, ok := strings.Cut(text, "@")
	if !ok {
		return stamp{}, fmt.Errorf("%q has no source", text)
	}
	if before == "" || strings.ToLower(before) != before {
		return stamp{}, fmt.Errorf("%q: the time is not lower-case hex", text)
	}
	t, err := strconv.ParseUint(before, 16, 64)
	if err != nil {
		return stamp{}, fmt.Errorf("%q: the time is not hex", text)
	}
	if source != legacySource {
		raw, err := base64.RawStdEncoding.Strict().DecodeString(source)
		if err != nil || len(raw) != 16 {
			return stamp{}, fmt.Errorf("%q: the source is not 22 base64 characters of 16 bytes", text)
		}
		if slices.Max(raw) == 0 {
			return stamp{}, fmt.Errorf("%q: the source is zero", text)
		}
	}
	return stamp{t, source}, nil
}

// checkTime says what a client minds about a version's time.
func (s stamp) checkTime(now time.Time) error {
	if s.source == legacySource {
		return nil
	}
	if s.time < 1<<40 || s.time >= 1<<63 {
		return fmt.Errorf("%s: the time is out of range", s)
	}
	if s.time > uint64(now.Add(2*time.Minute).UnixNano()) {
		return fmt.Errorf("%s is more than two minutes ahead", s)
	}
	return nil
}

// vector is a version vector: current version, merged and previous ones.
type vector struct {
	cv     stamp
	mv, pv []stamp
	legacy []string // IDs of revisions in a tree that come before
}

// parseVector reads the current version and the property "history" of a rev message.
func parseVector(current, history string) (v vector, err error) {
	if v.cv, err = parseStamp(current); err != nil {
		return vector{}, err
	}
	merged, previous, found := strings.Cut(history, ";")
	if !found {
		merged, previous = "", history
	}
	if strings.Contains(previous, ";") {
		return vector{}, errors.New("a vector with two semicolons")
	}
	if v.mv, _, err = parseStamps(merged, false); err != nil {
		return vector{}, err
	}
	if v.pv, v.legacy, err = parseStamps(previous, true); err != nil {
		return vector{}, err
	}
	return v, v.check()
}

// check sees that no source is there twice.
func (v *vector) check() error {
	seen := make(map[string]bool)
	for _, s := range slices.Concat(v.mv, v.pv) {
		if seen[s.source] {
			return fmt.Errorf("the vector %s has a source twice", v.text())
		}
		seen[s.source] = true
	}
	for _, s := range v.pv {
		if s.source == v.cv.source {
			return fmt.Errorf("the vector %s has its current source among the previous ones", v.text())
		}
	}
	return nil
}

func parseStamps(text string, legacyToo bool) (list []stamp, legacy []string, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimPrefix(part, " ")
		if part == "" {
			continue
		}
		if legacyToo && !strings.Contains(part, "@") {
			if err := checkRevID(part); err != nil {
				return nil, nil, err
			}
			legacy = append(legacy, part)
			continue
		}
		s, err := parseStamp(part)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, s)
	}
	return list, legacy, nil
}

// text is the whole vector, as 4.0 proposes it.
func (v *vector) text() string {
	history := v.history()
	switch {
	case history == "":
		return v.cv.String()
	case len(v.mv) > 0:
		return v.cv.String() + ", " + history
	}
	return v.cv.String() + "; " + history
}

// history is the vector without its current version, as a rev message has it.
func (v *vector) history() string {
	previous := append(stampTexts(v.pv), v.legacy...)
	if len(v.mv) == 0 {
		return strings.Join(previous, ", ")
	}
	text := strings.Join(stampTexts(v.mv), ", ") + ";"
	if len(previous) > 0 {
		text += " " + strings.Join(previous, ", ")
	}
	return text
}

func stampTexts(list []stamp) (texts []string) {
	for _, s := range list {
		texts = append(texts, s.String())
	}
	return texts
}

// covers reports whether the vector knows of a version.
func (v *vector) covers(s stamp) bool {
	if v.cv.source == s.source {
		return v.cv.time >= s.time
	}
	for _, known := range slices.Concat(v.mv, v.pv) {
		if known.source == s.source {
			return known.time >= s.time
		}
	}
	return false
}

// next is the vector of an edit.
func (v *vector) next(s stamp) vector {
	n := vector{cv: s}
	n.keep(v.cv)
	n.keep(v.mv...)
	n.keep(v.pv...)
	return n
}

// merge is the vector of a resolution of a conflict between v, which won, and other.
func (v *vector) merge(s stamp, other *vector) vector {
	n := vector{cv: s, mv: []stamp{v.cv, other.cv}}
	for _, known := range [][]stamp{v.mv, other.mv, v.pv, other.pv} {
		n.keep(known...)
	}
	return n
}

// keep puts versions among the previous ones: the newest of each source.
func (v *vector) keep(list ...stamp) {
	for _, s := range list {
		if s.source == "" || s.source == v.cv.source || slices.ContainsFunc(v.mv, func(m stamp) bool { return m.source == s.source }) {
			continue
		}
		i := slices.IndexFunc(v.pv, func(p stamp) bool { return p.source == s.source })
		switch {
		case i < 0:
			v.pv = append(v.pv, s)
		case v.pv[i].time < s.time:
			v.pv[i].time = s.time
		}
	}
}

// encodeRev is the version that encodes the ID of a revision in a tree.
func encodeRev(rev string) stamp {
	generation, digest, _ := strings.Cut(rev, "-")
	gen, _ := strconv.ParseUint(generation, 10, 64)
	if len(digest) > 10 {
		digest = digest[:10]
	}
	bits, _ := strconv.ParseUint(digest, 16, 64)
	return stamp{gen<<40 | bits, legacySource}
}
