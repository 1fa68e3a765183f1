package lite1

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// document is a document on a device: its revision tree.
type document struct {
	id   string
	revs map[string]*revision
}

// revision is a node of the tree. One that is only known as an ancestor has no body.
type revision struct {
	id      string
	parent  string // "" for the first, or where the history was cut
	known   bool   // the body is here
	deleted bool
	removed bool                       // the stub of a document that was lost
	body    map[string]json.RawMessage // without the "_" members
	files   map[string]file
	seq     int    // of the device
	from    string // the remote that it was pulled from
}

// file is an attachment.
type file struct {
	contentType string
	digest      string // sha1 of the content as it is stored
	content     []byte // as it is stored: compressed if packed
	packed      bool
	length      int // unpacked
	revpos      int
}

func newFile(contentType string, content []byte, pack bool, revpos int) file {
	f := file{contentType: contentType, content: content, length: len(content), revpos: revpos, packed: pack}
	if pack {
		f.content = packed(content)
	}
	f.digest = sha1Digest(f.content)
	return f
}

// unpacked is the content as an app sees it.
func (f *file) unpacked() ([]byte, error) {
	if !f.packed {
		return f.content, nil
	}
	return unpacked(f.content)
}

func packed(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // to memory
	_ = w.Close()
	return b.Bytes()
}

func unpacked(text []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	return b.Bytes(), err
}

func sha1Digest(text []byte) string {
	sum := sha1.Sum(text)
	return "sha1-" + base64.StdEncoding.EncodeToString(sum[:])
}

func md5Digest(text []byte) string {
	sum := md5.Sum(text)
	return "md5-" + base64.StdEncoding.EncodeToString(sum[:])
}

func generation(rev string) int {
	number, _, _ := strings.Cut(rev, "-")
	n, _ := strconv.Atoi(number)
	return n
}

// newRev is the ID of a revision made here.
func newRev(parent string, r *revision) string {
	text, _ := json.Marshal(r.body) // of JSON
	sum := md5.New()
	sum.Write([]byte(parent + strconv.FormatBool(r.deleted)))
	sum.Write(text)
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		sum.Write([]byte(name + r.files[name].digest))
	}
	return strconv.Itoa(generation(parent)+1) + "-" + hex.EncodeToString(sum.Sum(nil))
}

// leaves are the revisions that nothing extends, the winner first.
func (d *document) leaves() []*revision {
	inner := map[string]bool{}
	for _, r := range d.revs {
		inner[r.parent] = true
	}
	var all []*revision
	for _, r := range d.revs {
		if !inner[r.id] {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *revision) int {
		switch {
		case a.deleted != b.deleted:
			return map[bool]int{false: -1, true: 1}[a.deleted]
		case generation(a.id) != generation(b.id):
			return generation(b.id) - generation(a.id)
		}
		return strings.Compare(b.id, a.id)
	})
	return all
}

// history are a revision and its ancestors, newest first.
func (d *document) history(rev string) []string {
	var all []string
	for r := d.revs[rev]; r != nil; r = d.revs[r.parent] {
		all = append(all, r.id)
	}
	return all
}

// ancestors are revisions with a body that may be ancestors of a revision that is not here: of
// a lower generation, the newest first.
func (d *document) ancestors(rev string) []string {
	var all []string
	for id, r := range d.revs {
		if r.known && generation(id) < generation(rev) {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return generation(b) - generation(a) })
	return all[:min(len(all), maxAncestors)]
}
