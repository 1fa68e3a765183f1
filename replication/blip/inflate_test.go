package blip

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"testing"

	kflate "github.com/klauspost/compress/flate"
	"github.com/stretchr/testify/require"
)

// deflating is a deflater of any make.
type deflating interface {
	Write(b []byte) (int, error)
	Flush() error
}

// makes are deflaters that differ in which blocks and codes they make.
func makes(tb testing.TB, b *bytes.Buffer) map[string]deflating {
	tb.Helper()
	all := map[string]deflating{}
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
		w, err := flate.NewWriter(b, level)
		require.NoError(tb, err)
		all[fmt.Sprint("standard library ", level)] = w
		other, err := kflate.NewWriter(b, level)
		require.NoError(tb, err)
		all[fmt.Sprint("klauspost ", level)] = other
	}
	return all
}

// contents are kinds of what frames carry.
var contents = map[string]func(rng *rand.Rand, n int) []byte{
	"text":   text,
	"zeros":  func(_ *rand.Rand, n int) []byte { return make([]byte, n) },
	"period": func(rng *rand.Rand, n int) []byte { return bytes.Repeat(text(rng, 1+rng.IntN(7)), n)[:n] },
	"noise": func(rng *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	},
	// The more codes differ in how often they are needed, the longer some are.
	"skewed": func(rng *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.ExpFloat64() * 12)
		}
		return b
	},
	"far": func(rng *rand.Rand, n int) []byte {
		b := text(rand.New(rand.NewPCG(3, 4)), windowSize-300)
		return b[:min(len(b), n+rng.IntN(100))]
	},
}

func TestWhatDeflatersMakeIsRead(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for name, w := range makes(t, &b) {
		var i inflater
		for n := range 9 {
			for kind, fill := range contents {
				content := fill(rng, rng.IntN([]int{10, 2000, 100_000}[n%3]))
				b.Reset()
				_, err := w.Write(content)
				require.NoError(t, err)
				require.NoError(t, w.Flush())
				out, err := inflateAll(&i, bytes.TrimSuffix(b.Bytes(), []byte(flushEnd)))
				require.NoError(t, err, "%s %s", name, kind)
				require.True(t, bytes.Equal(content, out), "%s %s", name, kind)
			}
		}
	}
}

// Cut off at any byte, a frame is an error or says less, and is never read beyond its end.
func TestAFrameThatIsCutOffSaysNothingElse(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for name, w := range makes(t, &b) {
		for _, fill := range contents {
			content := fill(rng, 250)
			b.Reset()
			_, err := w.Write(content)
			require.NoError(t, err)
			require.NoError(t, w.Flush())
			var whole inflater
			all, err := inflateAll(&whole, bytes.TrimSuffix(b.Bytes(), []byte(flushEnd)))
			if err != nil {
				continue // it refers to what was before
			}
			for n := range b.Len() - len(flushEnd) {
				var i inflater
				out, err := inflateAll(&i, b.Bytes()[:n])
				if err == nil {
					require.True(t, bytes.HasPrefix(all, out), name)
				} else {
					require.ErrorIs(t, err, ErrProtocol)
				}
			}
		}
	}
}

func TestWhatIsNoDeflatedFrameIsRefused(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"a last block":                          "\x01\x00\x00\xff\xff",
		"a block of no kind":                    "\x06",
		"a length that is not repeated":         "\x00\x01\x00\xff\xff",
		"a stored block that is cut off":        "\x00\x03\x00\xfc\xffab",
		"half a length":                         "\x00\x01\x00",
		"a block that does not end":             "\x02",
		"nothing after a block":                 "\x00\x00\x00\xff\xff",
		"a reference to before the first frame": "\x02\x02\x00",
		"too many lengths":                      "\xfc\xff\xff",
	} {
		var i inflater
		_, err := inflateAll(&i, []byte(payload))
		require.ErrorIs(t, err, ErrProtocol, name)
	}
}

func TestACodeThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	var h huffman
	for name, lengths := range map[string][]byte{
		"more codes than there are bits for": {1, 1, 1},
		"bits that mean nothing":             {2, 2, 2},
		"the same with a long one":           {1, 15},
	} {
		require.False(t, h.build(lengths, literalEntries[:], literalBits), name)
	}
	for name, lengths := range map[string][]byte{
		"no code":    {0, 0},
		"one symbol": {0, 1},
		"two":        {1, 1},
	} {
		require.True(t, h.build(lengths, literalEntries[:], literalBits), name)
	}
}

// BenchmarkInflate inflates frames of a document of 1 KB each.
func BenchmarkInflate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := getDeflater()
	defer d.put()
	var frames [][]byte
	for range 200 {
		f, err := d.deflate(nil, text(rng, 1100))
		require.NoError(b, err)
		frames = append(frames, f)
	}
	b.SetBytes(1100)
	b.ReportAllocs()
	var i inflater
	out := getBuffer()
	defer out.put()
	payload := make([]byte, 0, readLimit)
	for n := 0; b.Loop(); n++ {
		if n%len(frames) == 0 {
			i = inflater{window: i.window[:0]}
		}
		if err := i.inflate(append(payload[:0], frames[n%len(frames)]...), out, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
