package blip

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFrameIsNumberFlagsAndPayload(t *testing.T) {
	t.Parallel()
	f, err := parseFrame([]byte("\xac\x02\x48payload"))
	require.NoError(t, err)
	require.Equal(t, frame{number: 300, flags: flagMore | flagCompressed, payload: []byte("payload")}, f)
	require.EqualValues(t, typeRequest, f.kind())
}

func TestAnAcknowledgementHasNoChecksum(t *testing.T) {
	t.Parallel()
	b := ack{typeAckAnswer, 300, 50_000}.append(nil)
	require.Equal(t, "\xac\x02\x35\xd0\x86\x03", string(b))
	f, err := parseFrame(b)
	require.NoError(t, err)
	total, err := parseAck(&f)
	require.NoError(t, err)
	require.EqualValues(t, 50_000, total)
}

func TestPropertiesAreStringsThatEndWithNUL(t *testing.T) {
	t.Parallel()
	for encoded, p := range map[string]Properties{
		"\x00":                                  nil,
		"\x02\x00\x00":                          {{"", ""}},
		"\x0cProfile\x00rev\x00":                {{"Profile", "rev"}},
		"\x0fa\x00b\x00c\x00\x00a\x00twice\x00": {{"a", "b"}, {"c", ""}, {"a", "twice"}},
	} {
		b, err := p.encode()
		require.NoError(t, err)
		require.Equal(t, encoded, string(b))
		got, err := parseProperties(b[1:])
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
}

func TestTheFirstOfRepeatedPropertiesCounts(t *testing.T) {
	t.Parallel()
	p, err := parseProperties([]byte("a\x001\x00a\x002\x00"))
	require.NoError(t, err)
	require.Equal(t, "1", p.Value("a"))
	_, ok := p.Get("b")
	require.False(t, ok)
}

func TestPropertiesThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	p := newPeer(t, Options{Handle: func(r *Request) {
		r.Reply(&Message{Properties: Properties{{"a", "secret\x00secret"}}})
	}})
	body := new(endless)
	for _, bad := range []string{"\x00", strings.Repeat("x", maxProperties)} {
		for _, property := range []Property{{bad, ""}, {"", bad}} {
			err := p.conn.Send(t.Context(), &Message{Properties: Properties{property}, Stream: body})
			require.Error(t, err)
			require.Less(t, len(err.Error()), 100)
		}
	}
	require.EqualValues(t, 4, body.closed.Load())
	p.send(1, 0, message(""))
	s, properties, text := p.nextMessage()
	require.EqualValues(t, typeError, s.kind())
	require.Equal(t, Properties{{"Error-Domain", "HTTP"}, {"Error-Code", "500"}}, properties)
	require.NotContains(t, text, "secret")
}
