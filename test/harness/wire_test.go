package harness

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFrameScannerFindsTheCloseFrameAmongTheOthers(t *testing.T) {
	t.Parallel()

	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

	short := "\x82\x03\x88\x88\x88"                                                      // what looks like close frames is payload
	long := "\x82\x7e\x01\x00" + strings.Repeat("\x88", 256)                             // 16 bits of length
	longer := "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("\x88", 65536) // 64 bits
	bye := "\x88\x02\x03\xe8"

	for _, pieces := range []int{1, 7, 1 << 20} {
		var s frameScanner

		feed := func(text string) {
			for len(text) > 0 {
				n := min(pieces, len(text))
				s.take([]byte(text[:n]))
				text = text[n:]
			}
		}
		feed(head + short + long + longer + "\x89\x00")
		require.Equal(t, head, string(s.head))
		require.False(t, s.closed)
		feed(bye)
		require.True(t, s.closed)
	}
}
