package blip

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPiecesJoinToWhatWasAdded(t *testing.T) {
	t.Parallel()

	random := rand.New(rand.NewPCG(1, 2))

	for range 200 {
		var (
			p    pieces
			want []byte
		)

		for range random.IntN(50) {
			b := bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(1<<random.IntN(17)))
			p.add(b)
			want = append(want, b...)
			clear(b) // it is scratch memory
		}

		require.Equal(t, len(want), p.size)
		require.True(t, bytes.Equal(want, p.join()))
	}
}

func TestPiecesTakeNoMoreThanTheBodyAndOnePiece(t *testing.T) {
	t.Parallel()

	const frame = 16 << 10

	var p pieces

	b := make([]byte, frame)

	for range 20 << 20 / frame {
		p.add(b)
		require.LessOrEqual(t, p.memory, 2*p.size)
		require.LessOrEqual(t, p.memory, p.size+largestPiece)
	}

	require.Less(t, len(p.full), 40)
}

func TestPiecesOfOneFrameTakeItsBytesOnly(t *testing.T) {
	t.Parallel()

	var p pieces

	p.add([]byte("abc"))
	require.LessOrEqual(t, p.memory, 8)

	whole := p.join()
	require.Equal(t, "abc", string(whole))
	require.Same(t, &p.last[0], &whole[0], "it was copied")
}
