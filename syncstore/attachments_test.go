package syncstore

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (f *fixture) content(c Content) []byte {
	f.t.Helper()
	r, err := f.db.OpenContent(f.t.Context(), c)
	require.NoError(f.t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(f.t, err)
	return b
}

func TestContentComesBackWhateverItsSize(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 7} {
		want := randomBytes(size)
		u := f.db.NewUpload(t.Context())
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 10_000)
			_, err := u.Write(rest[:n])
			require.NoError(t, err)
			rest = rest[n:]
		}
		c, err := u.Commit(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(size), c.Length)
		require.True(t, bytes.Equal(want, f.content(c)), "size %d", size)

		r, err := f.db.OpenContent(t.Context(), c)
		require.NoError(t, err)
		if size > 2 {
			at, err := r.Seek(int64(size)-2, io.SeekStart)
			require.NoError(t, err)
			require.Equal(t, int64(size)-2, at)
			var tail bytes.Buffer
			_, err = r.WriteTo(&tail)
			require.NoError(t, err)
			require.Equal(t, want[size-2:], tail.Bytes())
		}
		end, err := r.Seek(0, io.SeekEnd)
		require.NoError(t, err)
		require.Equal(t, int64(size), end)
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	_, err := f.db.OpenContent(t.Context(), Content{})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestDecision22ContentIsStoredOnceWhateverItIsCalled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.upload([]byte("same"))
	require.Equal(t, c, f.upload([]byte("same")))
	require.Equal(t, 1, f.keys(kindContent))
	for id, digest := range map[string]string{"rest": c.MD5Digest(), "lite": c.SHA1Digest(), "none": ""} {
		require.NoError(t, f.write(Edit{ID: id, Attachments: []AttachmentEdit{{Name: "x", Digest: digest, Content: c}}}).Err)
		if digest == "" {
			digest = c.MD5Digest()
		}
		require.Equal(t, digest, f.get(id, GetOptions{}).Attachments[0].Digest, "an entry keeps the digest its writer named")
	}
	hello := f.upload([]byte("hello world"))
	require.Equal(t, "md5-XrY7u+Ae7tCTyyK7j1rNww==", hello.MD5Digest())
	require.Equal(t, "sha1-Kq5sNclPz7QV2+lfQIuc6R7oRu0=", hello.SHA1Digest())
	require.False(t, hello.HasDigest("sha1-"))
	f.sweepNow()
	require.Equal(t, "same", string(f.content(c)), "the second copy is swept, the first is not")
}

func TestDecision22StubsAreProved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, other := f.upload([]byte("one")), f.upload([]byte("two"))
	first := f.write(Edit{ID: "a", Attachments: []AttachmentEdit{
		{Name: "x", ContentType: "text/plain", Content: c}, {Name: "y", Content: other},
	}})
	require.NoError(t, first.Err)
	stub := func(id, name, digest string, parent Rev) error {
		return f.write(Edit{ID: id, Parent: parent, Attachments: []AttachmentEdit{{Name: name, Digest: digest, Stub: true}}}).Err
	}
	require.ErrorIs(t, stub("a", "z", "", first.Rev), ErrMissingStub, "no such name")
	require.ErrorIs(t, stub("a", "x", other.MD5Digest(), first.Rev), ErrMissingStub, "another content")
	require.ErrorIs(t, stub("b", "x", c.MD5Digest(), Rev{}), ErrMissingStub, "another document's: whoever names it must have it")
	require.NoError(t, stub("a", "x", c.SHA1Digest(), first.Rev), "either form")
	doc := f.get("a", GetOptions{})
	require.Len(t, doc.Attachments, 1)
	require.Equal(t, Attachment{Name: "x", ContentType: "text/plain", Digest: c.MD5Digest(), Content: c, RevPos: 1}, doc.Attachments[0])

	r := f.write(Edit{ID: "a", Parent: doc.Rev, Attachments: []AttachmentEdit{{Name: "y", Digest: other.MD5Digest(), Stub: true}}})
	require.NoError(t, r.Err, "an older revision whose body is kept has it")
	replicated := f.write(Edit{
		ID: "a", History: []Rev{{4, "d"}, r.Rev},
		Attachments: []AttachmentEdit{{Name: "y", Stub: true}, {Name: "new", Content: c, RevPos: 2}},
	})
	require.NoError(t, replicated.Err)
	attachments := f.get("a", GetOptions{}).Attachments
	require.Equal(t, "new", attachments[0].Name)
	require.Equal(t, uint64(2), attachments[0].RevPos)
}

func TestUnusedContentIsCollectedAndUsedContentIsNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.OldBodies = time.Minute })
	unused, used := f.upload(randomBytes(chunkSize+1)), f.upload([]byte("used"))
	rev := f.write(Edit{ID: "a", Attachments: []AttachmentEdit{{Name: "x", Content: used}}}).Rev
	f.clock.advance(59 * time.Minute)
	f.sweepNow()
	require.Equal(t, 2, f.keys(kindContent), "nothing goes within the hour")
	f.clock.advance(2 * time.Minute)
	f.sweepNow()
	_, err := f.db.OpenContent(t.Context(), unused)
	require.ErrorIs(t, err, ErrNotFound)
	f.sweepNow()
	require.Equal(t, 1, f.keys(kindChunk), "its chunks go too")
	require.Equal(t, "used", string(f.content(used)))

	// The document no longer names it, but its old revision does for a minute.
	rev = f.put("a", `{}`, rev)
	f.sweepNow()
	require.Equal(t, 1, f.keys(kindReference))
	f.clock.advance(2 * time.Minute)
	f.sweepNow()
	require.Zero(t, f.keys(kindReference))
	f.clock.advance(2 * time.Hour)
	f.sweepNow()
	f.sweepNow()
	require.Zero(t, f.keys(kindContent)+f.keys(kindChunk)+f.keys(kindDue))
	require.Equal(t, rev, f.get("a", GetOptions{}).Rev)
}

func TestDecision30ContentIsKeptWhileAStubMayBeAboutToNameIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.upload([]byte("x"))
	f.clock.advance(50 * time.Minute)
	f.store.touched.touch(f.db, c.SHA256) // as the check of a stub does
	f.clock.advance(50 * time.Minute)
	f.sweepNow()
	require.Equal(t, 1, f.keys(kindContent))
	f.clock.advance(11 * time.Minute)
	f.sweepNow()
	require.Zero(t, f.keys(kindContent))
}

func TestAbandonedUploadsAreCleared(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	abandoned := f.db.NewUpload(t.Context())
	_, err := abandoned.Write(randomBytes(2 * chunkSize))
	require.NoError(t, err)
	require.Equal(t, 2, f.keys(kindChunk))
	f.reopen() // the process died
	f.sweepNow()
	require.Equal(t, 2, f.keys(kindChunk), "it might go on")
	f.clock.advance(61 * time.Minute)
	f.sweepNow()
	require.Zero(t, f.keys(kindChunk))

	aborted := f.db.NewUpload(t.Context())
	_, err = aborted.Write(randomBytes(chunkSize))
	require.NoError(t, err)
	aborted.Abort()
	_, err = aborted.Write([]byte("x"))
	require.Error(t, err)
	f.sweepNow()
	require.Eventually(t, func() bool { return f.keys(kindChunk) == 0 }, waitFor, tick)
}

func TestASlowUploadIsNotTakenForAbandoned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want := randomBytes(10 * chunkSize)
	u := f.db.NewUpload(t.Context())
	for n := range 10 {
		_, err := u.Write(want[n*chunkSize : (n+1)*chunkSize])
		require.NoError(t, err)
		f.clock.advance(45 * time.Minute)
		f.sweepNow()
	}
	c, err := u.Commit(t.Context())
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, f.content(c)))
}

func TestOldBodiesAreDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.OldBodies = time.Hour })
	first := f.put("a", `{"n":1}`, Rev{})
	f.pushed("a", `{"n":"x"}`, "1-x") // a losing leaf or the winner: either way a leaf
	f.put("a", `{"n":2}`, first)
	require.Equal(t, `{"n":1}`, string(f.get("a", GetOptions{Rev: first}).Body))
	f.clock.advance(2 * time.Hour)
	f.sweepNow()
	_, err := f.Get(t.Context(), "a", GetOptions{Rev: first})
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, `{"n":"x"}`, string(f.get("a", GetOptions{Rev: Rev{1, "x"}}).Body), "bodies of leaves are never dropped")
	require.Len(t, f.get("a", GetOptions{History: true}).History, 2, "the ancestry stays")
}

func TestDocumentsExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	at := f.clock.Now().Add(time.Hour)
	first := f.write(Edit{ID: "a", Expires: at})
	second := f.write(Edit{ID: "b", Expires: at})
	f.write(Edit{ID: "b", Parent: second.Rev, Expires: at.Add(time.Hour)})
	f.clock.advance(61 * time.Minute)
	f.sweepNow()
	_, err := f.Get(t.Context(), "a", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted)
	require.Equal(t, first.Rev.Gen+1, f.get("a", GetOptions{Rev: revs(t, f.leaves("a")[0][:len(f.leaves("a")[0])-1])[0]}).Rev.Gen)
	f.get("b", GetOptions{})
	f.clock.advance(61 * time.Minute)
	f.sweepNow()
	_, err = f.Get(t.Context(), "b", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted)
}

func TestManyThingsDueAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.OldBodies = time.Minute })
	rev := Rev{}
	for n := range 1200 {
		rev = f.put("a", fmt.Sprintf(`{"n":%d}`, n), rev)
	}
	f.clock.advance(time.Hour)
	require.Equal(t, 1199, f.sweepNow())
	require.Zero(t, f.keys(kindBody))
}
