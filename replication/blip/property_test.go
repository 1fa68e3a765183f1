package blip

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sum answers with the checksum of what came and with the same body, streamed or not; or,
// if that was asked for, refuses. It does so on goroutines of its own, in any order.
func sum(wait *sync.WaitGroup, noReply *atomic.Int64) func(*Request) {
	return func(r *Request) {
		if r.NoReply {
			noReply.Add(int64(len(r.Body)))
			return
		}
		wait.Go(func() {
			crc := fmt.Sprint(crc32.ChecksumIEEE(r.Body))
			switch r.Profile() {
			case "refuse":
				r.Refuse("HTTP", 409, crc)
			case "stream":
				half := len(r.Body) / 2
				r.Reply(&Message{
					Properties: Properties{{"crc", crc}}, Compressed: r.Compressed,
					Body: r.Body[:half], Stream: io.NopCloser(bytes.NewReader(r.Body[half:])),
				})
			default:
				r.Reply(&Message{Properties: Properties{{"crc", crc}}, Body: r.Body, Compressed: !r.Compressed})
			}
		})
	}
}

// oneOf sends a message of any kind and checks what comes back. It returns how many bytes
// were sent that want no answer.
func oneOf(t *testing.T, c *Conn, rng *rand.Rand) int64 {
	t.Helper()
	size := 1 << rng.IntN(19)
	body := text(rng, rng.IntN(size)+1)
	profile := []string{"plain", "stream", "refuse", "none"}[rng.IntN(4)]
	m := &Message{
		Properties: Properties{{"Profile", profile}, {"pad", string(text(rng, rng.IntN(size/4+1)))}},
		Body:       body, Compressed: rng.IntN(2) == 0, Urgent: rng.IntN(3) == 0,
	}
	if rng.IntN(2) == 0 {
		at := rng.IntN(len(body) + 1)
		m.Body, m.Stream = body[:at], io.NopCloser(bytes.NewReader(body[at:]))
	}
	crc := fmt.Sprint(crc32.ChecksumIEEE(body))
	ctx := withTimeout(t)
	if profile == "none" {
		require.NoError(t, c.Send(ctx, m))
		return int64(len(body))
	}
	var to bytes.Buffer
	var r *Response
	var err error
	if rng.IntN(2) == 0 {
		r, err = c.CallTo(ctx, m, &to)
	} else {
		r, err = c.Call(ctx, m)
	}
	if profile == "refuse" {
		require.Equal(t, &PeerError{Domain: "HTTP", Code: 409, Text: crc}, err)
		return 0
	}
	require.NoError(t, err)
	require.Equal(t, crc, r.Properties.Value("crc"))
	require.True(t, bytes.Equal(body, append(to.Bytes(), r.Body...)))
	return 0
}

func TestManyMessagesOfAnyKindBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			var handlers sync.WaitGroup
			var came, sent [2]atomic.Int64
			counters := [2]*Counters{{}, {}}
			options := func(i int) Options {
				return Options{Handle: sum(&handlers, &came[i]), Counters: counters[i], Limits: Limits{Queue: 50_000}}
			}
			a, b := connect(t, options(0), options(1))
			var senders sync.WaitGroup
			for worker := range uint64(16) {
				senders.Go(func() {
					rng := rand.New(rand.NewPCG(seed, worker))
					from, other := a, 1
					if worker%2 == 1 {
						from, other = b, 0
					}
					for range 10 {
						sent[other].Add(oneOf(t, from, rng))
					}
				})
			}
			senders.Wait()
			handlers.Wait()
			require.Eventually(t, func() bool {
				return came[0].Load() == sent[0].Load() && came[1].Load() == sent[1].Load() && quiet(a) && quiet(b)
			}, patience, time.Millisecond)
			require.Equal(t, counters[0].MessagesIn.Load(), counters[1].MessagesOut.Load())
			require.Equal(t, counters[1].MessagesIn.Load(), counters[0].MessagesOut.Load())
			require.Equal(t, counters[0].BytesIn.Load(), counters[1].BytesOut.Load())
			require.Equal(t, counters[1].BytesIn.Load(), counters[0].BytesOut.Load())
		})
	}
}

// quiet tells whether everything is counted back that was counted.
func quiet(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.writing && c.open == 0 && c.queued == 0 && c.buffered.Load() == 0 &&
		len(c.calls) == 0 && len(c.sending) == 0 && c.queue.messages == nil && c.acks == nil
}
