package syncstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzStoredRecords: damaged bytes are an error, never a panic or a large allocation,
// and what is read is written back the same.
func FuzzStoredRecords(f *testing.F) {
	h := head{
		Seq: 7, Vector: Vector{Current: Version{5, SourceID{1}}, Previous: []Version{{4, SourceID{2}}}}, Creator: "alice",
		Leaves: []leaf{
			{
				Rev: Rev{2, "ab"}, Seq: 3, Channels: []string{"c"}, Grants: []heldGrant{{Grant{"u", "c"}, 3}},
				Expires: time.Unix(99, 0), Attachments: []Attachment{{Name: "x", Digest: "md5-"}},
			},
			{Rev: Rev{1, "XYZ"}, Deleted: true, Extra: []byte(`{"_x":1}`)},
		},
		Spans: []span{{Channel: "c", From: 1, To: 2}}, Body: []byte(`{"a":1}`),
	}
	t := newTree()
	t.graft([]Rev{{3, "cc"}, {2, "bb"}, {1, "aa"}})
	t.graft([]Rev{{3, "dd"}, {2, "bb"}})
	stored := storedBody{leaf: h.Leaves[0], body: h.Body}
	former := storedBody{leaf: h.Leaves[1], body: h.Body}
	former.leaf.Version = h.Vector.Current
	counts := counters{Seq: 5, documentCounts: documentCounts{Docs: 2}}
	content := storedContent{chunk: 5}
	for _, seed := range [][]byte{h.encode(), t.encode(), stored.encode(), former.encode(), counts.encode(), content.encode(), encodeRow("id", &h, true, nil)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		if h, err := decodeHead(bytes.Clone(record)); err == nil {
			again, err := decodeHead(h.encode())
			require.NoError(t, err)
			again.settle(h.Seq)
			require.Equal(t, h.Body, again.Body)
			require.Len(t, again.Leaves, len(h.Leaves))
			for i := range h.Leaves {
				require.Equal(t, string(h.Leaves[i].Extra), string(again.Leaves[i].Extra))
				require.Equal(t, h.Leaves[i].Version, again.Leaves[i].Version)
			}
		}
		if tree, err := decodeTree(record); err == nil {
			tree.sort()
			_, err := decodeTree(tree.encode())
			require.NoError(t, err)
			tree.prune(2)
			tree.leaves()
		}
		var c Change
		_ = c.decode(1, record)
		if stored, err := decodeStoredBody(record); err == nil {
			again, err := decodeStoredBody(stored.encode())
			require.NoError(t, err)
			require.Equal(t, stored.leaf.Version, again.leaf.Version)
			require.Equal(t, string(stored.leaf.Extra), string(again.leaf.Extra))
		}
		_, _ = decodeCounters(record)
		_, _ = decodeContent(record)
		_, _, _ = decodeLocal(record)
		_, _ = decodeDatabaseEntry(databaseKey(1), record)
		db := &Database{}
		db.collections.Store(&map[collectionID]*Collection{})
		_, _, _, _ = db.parseBodyKey(record)
	})
}

func FuzzParseRev(f *testing.F) {
	for _, seed := range []string{"1-a", "0-1", "2147483647-ff", "-", "1-AB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rev, err := ParseRev(text)
		if err != nil {
			require.ErrorIs(t, err, ErrBadRevision)
			return
		}
		require.Equal(t, text, rev.String())
		digest, err := unpackDigest(packDigest(rev.Digest))
		require.NoError(t, err)
		require.Equal(t, rev.Digest, digest)
	})
}

// FuzzParseVector: what is read is written in one way, which reads the same.
func FuzzParseVector(f *testing.F) {
	const a, b, c = "18eab9b5d68f0001@" + sourceA, "18eab9b5d68f0002@" + sourceB, "18eab9b5d68f0003@" + sourceC
	for _, seed := range []string{
		a, a + ";" + b, a + ", " + b + ", " + c + ";", a + "," + b + ";" + c + ",2-abc,1-def", a + ";1-abc", "1-abc",
		"39c2e2870b7@Revision+Tree+Encoding",
	} {
		f.Add(seed, "")
	}
	f.Add(a, b+","+c+";")
	f.Add(a, b+",2-abc")
	f.Fuzz(func(t *testing.T, text, history string) {
		if version, err := ParseVersion(text); err == nil {
			again, err := ParseVersion(version.String())
			require.NoError(t, err)
			require.Equal(t, version, again)
		} else {
			require.ErrorIs(t, err, ErrBadVersion)
		}
		v, legacy, err := ParseRevision(text, history)
		if err != nil {
			require.ErrorIs(t, err, ErrBadVersion)
			return
		}
		again, none, err := ParseVector(string(v.Append(nil)))
		require.NoError(t, err)
		require.Empty(t, none)
		require.Equal(t, v, again)
		require.LessOrEqual(t, len(v.Merged)+len(v.Previous)+len(legacy), maxVectorEntries)
		for _, known := range append(append([]Version{v.Current}, v.Merged...), v.Previous...) {
			require.True(t, v.Covers(known))
			require.False(t, known.IsZero())
		}
	})
}

func FuzzTerminatedText(f *testing.F) {
	f.Add("a\x00b", "c")
	f.Fuzz(func(t *testing.T, a, b string) {
		ka, kb := appendTerminated(nil, a), appendTerminated(nil, b)
		text, rest, ok := cutTerminated(append(bytes.Clone(ka), "rest"...))
		require.True(t, ok)
		require.Equal(t, a, text)
		require.Equal(t, "rest", string(rest))
		require.Equal(t, bytes.Compare([]byte(a), []byte(b)), bytes.Compare(ka, kb), "order is kept")
	})
}
