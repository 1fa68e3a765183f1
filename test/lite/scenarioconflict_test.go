package lite

import (
	"time"

	"github.com/stretchr/testify/require"
)

func init() {
	scenarios["conflict"] = playConflict
	scenarios["conflict-long-history"] = playConflict
	scenarios["conflictlocal"] = playConflictLocal
	scenarios["pushconflict"] = playPushConflict
}

// disagree makes a document that x and y have, and the server.
func (s *stage) disagree(x, y *Device) {
	s.t.Helper()
	x.Put("q-3", `{"v":"first"}`)
	s.quietly(x, s.pushOnly())
	x.ForgetServer()
	s.quietly(x, s.pushOnly()) // it hears that the server has it
	s.quietly(x, s.both())
	s.quietly(y, s.pullOnly())
	x.Put("q-3", `{"v":"from x1"}`)
	time.Sleep(time.Millisecond) // the later edit
	y.Put("q-3", `{"v":"from x2"}`)
	if s.version == V32 { // the recorded revisions were such that the server's won
		y.Resolve(func(_, _ Document) bool { return false })
	}
}

func playConflict(s *stage) {
	x, y := s.device(), s.device()
	s.disagree(x, y)
	s.play(x, s.both())
	s.play(y, s.both())
	s.play(y, s.both())
	s.requireSame(y)
}

// playConflictLocal: of version vectors, the first connection hung in the recording.
func playConflictLocal(s *stage) {
	x, y := s.device(), s.device()
	s.disagree(x, y)
	s.quietly(x, s.both())
	s.quietly(y, s.both())
	s.quietly(y, s.both())
	x.Put("q-3", `{"v":"again x1"}`)
	y.Put("q-3", `{"v":"again x2"}`)
	y.Resolve(func(_, _ Document) bool { return true })
	if s.version == V40 {
		s.more[1] = []string{
			`REQ rev {Content-Type: application/json, collection: 0, history: VERSION,VERSION;, id: q-3, rev: VERSION, sequence: SEQ} [compressed,noreply] {"v":"from x2"}`,
		}
	}
	s.play(x, s.both())
	r := s.begin(y, s.both())
	s.await(r, "changes", 3)
	s.end(r, 2)
	s.requireSame(y)
	if s.version == V40 { // and what hung goes on
		s.quietly(x, s.both())
		s.quietly(x, s.both())
		s.quietly(y, s.both())
		s.requireSame(x)
		s.requireSame(y)
	}
}

// playPushConflict: of version vectors, x has an edit that y does not know, and the first
// connection hung in the recording.
func playPushConflict(s *stage) {
	x, y := s.device(), s.device()
	x.Put("q-3", `{"v":"first"}`)
	s.quietly(x, s.pushOnly())
	x.ForgetServer()
	s.quietly(x, s.pushOnly())
	x.Put("q-3", `{"v":"from x1"}`)
	x.Put("q-3", `{"v":"again x1"}`)
	s.quietly(x, s.both())
	s.quietly(x, s.both())
	s.quietly(y, s.both())
	if s.version == V40 {
		x.Put("q-3", `{"v":"aside"}`)
		s.otherwise[3] = true // the first connection did not hang: it knows more
		s.more[1] = []string{
			`REQ rev {Content-Type: application/json, collection: 0, history: VERSION, id: q-3, rev: VERSION, sequence: SEQ} [compressed,noreply] {"v":"again x2"}`,
			`ERR (to setCheckpoint) {Error-Code: 409, Error-Domain: HTTP} Document update conflict`,
			`RES (to getCheckpoint) {Content-Type: application/json, rev: 0-N} [compressed] {local,remote,time}`,
			`RES (to setCheckpoint) {rev: 0-N}`,
		}
	}
	y.Put("q-3", `{"v":"again x2"}`)
	s.quietly(y, s.pushOnly())
	s.play(x, s.pullOnly())
	y.Put("q-3", `{"v":"x2 first"}`)
	s.play(y, s.pushOnly())
	x.Put("q-3", `{"v":"stale push"}`)
	r := s.play(x, s.pushOnly())
	require.Equal(s.t, 409, r.DocumentErrors()["q-3"].Code)
}
