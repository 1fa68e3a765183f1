package syncstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	treeFormat = 1
	// treeHeader is the format and the number of nodes.
	treeHeader = 1 + 4

	nodeChained = 1 // the parent is the node before, one generation lower
	nodeRoot    = 2 // the parent is not known
)

// tree is the ancestry of a document: every leaf and its ancestors up to the
// configured number of generations. Nodes stand in an order in which a parent comes
// before its children. Digests are packed.
type tree struct {
	nodes []node
	index map[treeKey]int
}

type node struct {
	gen    uint64
	digest string // packed
	parent int    // -1: not known
}

type treeKey struct {
	gen    uint64
	digest string
}

func newTree() *tree { return &tree{index: make(map[treeKey]int)} }

// soleLeafTree is the tree of a document whose only revision has no known ancestor:
// such a tree is not stored.
func soleLeafTree(rev Rev) *tree {
	t := newTree()
	t.add(rev.Gen, string(packDigest(rev.Digest)), -1)
	return t
}

func (t *tree) add(gen uint64, digest string, parent int) int {
	t.nodes = append(t.nodes, node{gen: gen, digest: digest, parent: parent})
	t.index[treeKey{gen, digest}] = len(t.nodes) - 1
	return len(t.nodes) - 1
}

// find returns rev's node, -1 if the tree does not have it.
func (t *tree) find(rev Rev) int {
	if i, ok := t.index[treeKey{rev.Gen, string(packDigest(rev.Digest))}]; ok {
		return i
	}
	return -1
}

func (t *tree) rev(i int) Rev {
	digest, _ := unpackDigest([]byte(t.nodes[i].digest))
	return Rev{Gen: t.nodes[i].gen, Digest: digest}
}

// graft adds a revision with its ancestors, newest first. It joins the history to
// the newest ancestor that the tree knows; where an ancestor's own parent is not known,
// the history goes on filling in. A known parent is never changed: what a peer says of
// the past of a revision that is here does not rewrite it.
func (t *tree) graft(history []Rev) {
	child := -1
	for _, rev := range history {
		if child >= 0 && t.nodes[child].parent >= 0 {
			child = t.nodes[child].parent
			if t.nodes[child].gen != rev.Gen || t.nodes[child].digest != string(packDigest(rev.Digest)) {
				break // it contradicts what is known
			}
			continue
		}
		known := t.find(rev)
		if known < 0 {
			known = t.add(rev.Gen, string(packDigest(rev.Digest)), -1)
		}
		if child >= 0 {
			t.nodes[child].parent = known
		}
		child = known
	}
	t.sort()
}

// sort restores the order in which parents come first. Generations fall towards the
// root, so ordering by generation does it.
func (t *tree) sort() {
	order := make([]int, len(t.nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case t.nodes[a].gen < t.nodes[b].gen:
			return -1
		case t.nodes[a].gen > t.nodes[b].gen:
			return 1
		}
		return 0
	})
	t.rebuild(order)
}

// rebuild keeps the nodes in order, and the ancestry between them.
func (t *tree) rebuild(order []int) {
	place := make([]int, len(t.nodes))
	for i := range place {
		place[i] = -1
	}
	for to, from := range order {
		place[from] = to
	}
	nodes := make([]node, len(order))
	clear(t.index)
	for to, from := range order {
		nodes[to] = t.nodes[from]
		if parent := nodes[to].parent; parent >= 0 {
			nodes[to].parent = place[parent]
		}
		t.index[treeKey{nodes[to].gen, nodes[to].digest}] = to
	}
	t.nodes = nodes
}

// leaves tells for each node whether it has no child.
func (t *tree) leaves() []bool {
	leaf := make([]bool, len(t.nodes))
	for i := range leaf {
		leaf[i] = true
	}
	for _, n := range t.nodes {
		if n.parent >= 0 {
			leaf[n.parent] = false
		}
	}
	return leaf
}

// history returns rev and its ancestors, newest first, at most limit (<= 0: all), up to
// where a generation is not known: CouchDB's form of it counts the generations down. nil if
// the tree does not have rev.
func (t *tree) history(rev Rev, limit int) []Rev {
	var revs []Rev
	for i := t.find(rev); i >= 0; i = t.nodes[i].parent {
		if n := len(revs); n > 0 && t.nodes[i].gen+1 != revs[n-1].Gen {
			break
		}
		revs = append(revs, t.rev(i))
		if limit > 0 && len(revs) == limit {
			break
		}
	}
	return revs
}

// descends reports whether node i is ancestor or descends from it.
func (t *tree) descends(i, ancestor int) bool {
	for ; i >= 0; i = t.nodes[i].parent {
		if i == ancestor {
			return true
		}
	}
	return false
}

// prune drops the nodes that are limit or more generations away from every leaf.
func (t *tree) prune(limit int) {
	distance := make([]int, len(t.nodes))
	for i := range distance {
		distance[i] = limit
	}
	for i, leaf := range t.leaves() {
		if leaf {
			distance[i] = 0
		}
	}
	for i, n := range slices.Backward(t.nodes) {
		if parent := n.parent; parent >= 0 {
			distance[parent] = min(distance[parent], distance[i]+1)
		}
	}
	var keep []int
	for i := range t.nodes {
		if distance[i] < limit {
			keep = append(keep, i)
		}
	}
	if len(keep) < len(t.nodes) {
		t.rebuild(keep)
	}
}

// trivial reports whether the tree need not be stored.
func (t *tree) trivial() bool { return len(t.nodes) == 1 }

func (t *tree) encode() []byte {
	e := encoder{b: make([]byte, 0, treeHeader+20*len(t.nodes))}
	e.byte(treeFormat)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(len(t.nodes)))
	for i, n := range t.nodes {
		switch {
		case n.parent < 0:
			e.byte(nodeRoot)
			e.uvarint(n.gen)
		case n.parent == i-1 && n.gen == t.nodes[i-1].gen+1:
			e.byte(nodeChained)
		default:
			e.byte(0)
			e.uvarint(n.gen)
			e.uvarint(uint64(n.parent))
		}
		e.text(n.digest)
	}
	return e.b
}

func decodeTree(record []byte) (*tree, error) {
	d := decoder{b: record}
	if format := d.byte(); format != treeFormat && d.err == nil {
		return nil, fmt.Errorf("%w: tree format %d", ErrDamagedDocument, format)
	}
	var count int
	if header := d.raw(4); header != nil {
		count = int(binary.BigEndian.Uint32(header))
	}
	if count > len(d.b)/2 {
		return nil, fmt.Errorf("%w: tree is cut short", ErrDamagedDocument)
	}
	t := &tree{nodes: make([]node, 0, count+1), index: make(map[treeKey]int, count+1)}
	for i := range count {
		n := node{parent: -1}
		switch kind := d.byte(); {
		case kind == nodeChained && i > 0:
			n.parent, n.gen = i-1, t.nodes[i-1].gen+1
		case kind == nodeRoot:
			n.gen = d.uvarint()
		case kind == 0:
			n.gen = d.uvarint()
			n.parent = int(min(d.uvarint(), uint64(count)))
		default:
			d.fail()
		}
		digest := d.text()
		if d.err == nil && (n.parent >= i || digest == "" || n.parent >= 0 && t.nodes[n.parent].gen >= n.gen) {
			d.err = fmt.Errorf("%w: node %d of a tree", ErrDamaged, i)
		}
		if d.err != nil {
			break
		}
		t.add(n.gen, digest, n.parent)
	}
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("%w: reading a tree: %w", ErrDamagedDocument, err)
	}
	return t, nil
}

// extendTree appends child to an encoded tree whose last node is its parent, without
// taking the tree apart: that is what most updates are. ok is false if the tree has
// grown so much over the limit that it should be pruned, or its last node is another.
func extendTree(record []byte, parent, child Rev, limit int) (extended []byte, ok bool) {
	digest := packDigest(parent.Digest)
	if len(record) < treeHeader+len(digest)+1 || record[0] != treeFormat || child.Gen != parent.Gen+1 {
		return nil, false
	}
	last := record[len(record)-len(digest)-1:]
	count := binary.BigEndian.Uint32(record[1:])
	if int(last[0]) != len(digest) || !bytes.Equal(last[1:], digest) || int(count) >= limit+limit/8 {
		return nil, false
	}
	e := encoder{b: make([]byte, 0, len(record)+24)}
	e.raw(record)
	binary.BigEndian.PutUint32(e.b[1:], count+1)
	e.byte(nodeChained)
	e.bytes(packDigest(child.Digest))
	return e.b, true
}
