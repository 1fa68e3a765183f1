package blip

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// zlibFrames are frames as zlib deflates them, each with its length in four bytes before it.
// They were made by Python 3, zlib.compressobj(6, zlib.DEFLATED, -15), with compress and
// flush(Z_SYNC_FLUSH) for each frame that is deflated, less the last four bytes, and
// zlib.crc32 over the contents of all. zlibMessages says what they carry.
//
//go:embed testdata/zlib.frames
var zlibFrames []byte

func splitFrames(b []byte) (frames [][]byte) {
	for len(b) > 0 {
		n := 4 + binary.BigEndian.Uint32(b)
		frames = append(frames, b[4:n:n])
		b = b[n:]
	}
	return frames
}

func TestFramesThatZlibMadeAreRead(t *testing.T) {
	t.Parallel()
	var got []string
	p := newPeer(t, Options{Handle: func(r *Request) {
		body := string(r.Body)
		if len(body) > 100 {
			body = fmt.Sprintf("%d bytes, %08x", len(body), crc32.ChecksumIEEE(r.Body))
		}
		got = append(got, fmt.Sprintf("%v %s %v %v %v", r.Properties, body, r.Compressed, r.Urgent, r.NoReply))
		r.conn.closed(r) // that it is not answered is not what this is about
	}})
	for _, f := range splitFrames(zlibFrames) {
		require.True(t, p.raw(bytes.Clone(f)))
	}
	p.raw([]byte{1, 7}) // when it is taken the frames before are done
	var all strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&all, "line %d of many that look alike\n", i*7919%1000)
	}
	big := fmt.Sprintf("%d bytes, %08x", all.Len(), crc32.ChecksumIEEE([]byte(all.String())))
	require.Equal(t, []string{
		`[{Profile getCheckpoint} {client cp-abc}]  false false false`,
		`[{Profile proposeChanges} {conflictIncludesRev true}] [["doc-a","1-0ac4","",20],["doc-b","1-0ac5","",21]] true true false`,
		`[{Profile raw between}] [["doc-a","1-0ac4","",20],["doc-b","1-0ac5","",21]] false false false`,
		`[{Profile rev} {id doc-a}] {"a":"the same ["doc-a","1-0ac4","",20]"} true false true`,
		`[{Profile empty end}]  true false true`,
		`[{Profile big}] ` + big + ` true false false`,
	}, got)
}

// readOn is a receiver that knows nothing of ours: one flate reader of the standard library
// for the life of the connection, fed with what the frames have and the end of the flush.
type readOn struct {
	r   io.Reader
	in  bytes.Buffer
	crc uint32
}

func newReadOn() *readOn {
	r := new(readOn)
	r.r = flate.NewReader(&r.in)
	return r
}

func (r *readOn) read(tb testing.TB, b []byte, size int) []byte {
	tb.Helper()
	f, err := parseFrame(b)
	require.NoError(tb, err)
	content := f.payload[:len(f.payload)-checksumSize]
	if f.flags&flagCompressed != 0 {
		r.in.Write(content)
		r.in.WriteString("\x00\x00\xff\xff")
		content = make([]byte, size)
		_, err = io.ReadFull(r.r, content)
		require.NoError(tb, err)
	}
	r.crc = crc32.Update(r.crc, crc32.IEEETable, content)
	require.Equal(tb, r.crc, binary.BigEndian.Uint32(f.payload[len(f.payload)-checksumSize:]))
	return content
}

// text makes something that looks like JSON.
func text(rng *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"name":"name %d","x":[%x]},`, rng.IntN(1000), rng.IntN(10), rng.Uint64())
	}
	return b.Bytes()[:n]
}

func TestDecision38AnotherDeflaterGoesOnInTheSameStream(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var e encoder
	peer, d := newReadOn(), new(decoder)
	for i := range 100 {
		content := text(rng, rng.IntN(frameSize))
		if i%7 == 0 {
			for j := range content {
				content[j] = byte(rng.Uint32()) // what cannot be deflated
			}
		}
		flags := byte(flagCompressed)
		if i%5 == 0 {
			flags = 0
		}
		if i%3 == 0 {
			e.release()
		}
		f, counted, err := e.encode(nil, 1, flags, content)
		require.NoError(t, err)
		require.Equal(t, len(f)-2, counted)
		require.LessOrEqual(t, len(f), len(content)+frameOverhead)
		require.True(t, bytes.Equal(content, peer.read(t, f, len(content))), i)
		parsed, err := parseFrame(f)
		require.NoError(t, err)
		var got []byte
		require.NoError(t, d.decode(&parsed, func(b []byte) error {
			got = append(got, b...)
			return nil
		}))
		require.True(t, bytes.Equal(content, got), i)
		require.LessOrEqual(t, cap(d.window), windowSize+windowSize/4)
	}
	e.release()
}

func TestAnIdleConnectionHasNoDeflater(t *testing.T) {
	t.Parallel()
	server, client := connect(t, Options{Handle: echo}, Options{})
	for range 3 {
		_, err := client.Call(withTimeout(t), &Message{Body: []byte("body body body body"), Compressed: true})
		require.NoError(t, err)
		for _, c := range []*Conn{server, client} {
			require.Eventually(t, func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return !c.writing && c.encoder.deflater == nil
			}, patience, time.Millisecond)
		}
	}
}

// Not parallel: it takes all deflaters.
func TestBeyondSoManyDeflatersEachFrameGivesItsOwnBack(t *testing.T) {
	var e encoder
	_, _, err := e.encode(nil, 1, flagCompressed, []byte("a"))
	require.NoError(t, err)
	require.NotNil(t, e.deflater)
	deflatersTaken.Add(maxDeflaters)
	defer deflatersTaken.Add(-maxDeflaters)
	_, _, err = e.encode(nil, 1, flagCompressed, []byte("a"))
	require.NoError(t, err)
	require.Nil(t, e.deflater)
}

func TestAFrameMayHaveSeveralFlushes(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	require.NoError(t, err)
	for _, s := range []string{"one ", "two one ", "", "three two one"} {
		_, err = w.Write([]byte(s))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	var i inflater
	out, err := inflateAll(&i, b.Bytes()[:b.Len()-4])
	require.NoError(t, err)
	require.Equal(t, "one two one three two one", string(out))
	out, err = inflateAll(&i, nil)
	require.NoError(t, err)
	require.Empty(t, out)
}

// inflateAll puts the pieces together.
func inflateAll(i *inflater, payload []byte) (all []byte, err error) {
	out := pieceBuffers.get()
	defer out.put()
	err = i.inflate(bytes.Clone(payload), out, func(b []byte) error {
		all = append(all, b...)
		return nil
	})
	return all, err
}

// deflatedZeros is what a frame has that inflates to so many zeros.
func deflatedZeros(tb testing.TB, size int) []byte {
	tb.Helper()
	const part = 1 << 18
	d := getDeflater()
	defer d.put()
	deflated, err := d.deflate(nil, make([]byte, part))
	require.NoError(tb, err)
	deflated = append(deflated, deflateTail[:4]...) // flushed, it may be repeated
	own := getDeflater()                            // or the rest would refer to a part, and there may be none
	defer own.put()
	rest, err := own.deflate(nil, make([]byte, size%part))
	require.NoError(tb, err)
	return append(bytes.Repeat(deflated, size/part), rest...)
}

func TestAFrameMayInflateToWhatFillsItButNotToMore(t *testing.T) {
	t.Parallel()
	for size, fits := range map[int]bool{
		readLimit - 1: true, readLimit: true, readLimit + 1: true, 16 << 20: true,
		maxInflated: true, maxInflated + 1: false,
	} {
		var i inflater
		out, err := inflateAll(&i, deflatedZeros(t, size))
		if fits {
			require.NoError(t, err)
			require.Len(t, out, size)
		} else {
			require.ErrorIs(t, err, ErrLimit)
		}
	}
}
