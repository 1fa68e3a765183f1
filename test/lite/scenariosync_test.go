package lite

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

func init() {
	scenarios["update"] = playUpdate
	scenarios["nochange"] = playNoChange
	scenarios["reject"] = playReject
	scenarios["suspend"] = playSuspend
	scenarios["docids"] = playDocIDs
	scenarios["resetcheckpoint"] = playResetCheckpoint
	scenarios["badcollection"] = playBadCollection
	scenarios["defaultcollection"] = playDefaultCollection
	scenarios["collections"] = playCollections
	scenarios["continuous"] = playContinuous
}

// quarrel writes the documents q-1, q-2 and q-3 on a device and pushes them, one after the
// other.
func (s *stage) quarrel(d *Device) {
	s.t.Helper()
	for _, doc := range [][2]string{{"q-3", `{"v":"first"}`}, {"q-1", `{"n":1,"channels":["c1"]}`}, {"q-2", `{"n":2,"channels":["c1"]}`}} {
		d.Put(doc[0], doc[1])
		s.quietly(d, s.pushOnly())
	}
}

// settle updates q-1 and deletes q-2, and pushes that.
func (s *stage) settle(d *Device) {
	s.t.Helper()
	d.Put("q-1", `{"n":1,"channels":["c1"],"v":2}`)
	s.quietly(d, s.pushOnly())
	d.Delete("q-2")
	s.quietly(d, s.pushOnly())
}

func playUpdate(s *stage) {
	x, y := s.device(), s.device()
	s.quarrel(x)
	s.quietly(y, s.pullOnly())
	x.ForgetServer()
	y.ForgetServer()
	x.Put("q-1", `{"n":1,"channels":["c1"],"v":2}`)
	x.Delete("q-2")
	s.play(x, s.pushOnly())
	s.play(y, s.pullOnly())
	s.requireSame(x)
	s.requireSame(y)
}

func playNoChange(s *stage) {
	x := s.device()
	s.quarrel(x)
	s.settle(x)
	s.play(x, s.both())
	s.requireSame(x)
}

func playReject(s *stage) {
	s.controlled()
	x := s.device()
	x.Put("rej-1", `{"bad":true}`)
	x.Put("rej-2", `{"ok":true}`)
	r := s.play(x, s.pushOnly())
	errors := r.DocumentErrors()
	require.Len(s.t, errors, 1)
	require.Equal(s.t, &Error{"HTTP", http.StatusForbidden, "no bad docs"}, errors["rej-1"])
}

func playSuspend(s *stage) {
	s.put("ra", `{"n":1}`)
	x := s.device()
	config := s.pullOnly()
	config.DocIDs = []string{"ra"}
	s.quietly(x, config)
	s.end(s.begin(x, s.pushOnly()), 1)
	x.Put("sus-1", `{"a":1}`)
	s.end(s.begin(x, s.pushOnly()), 2)
	s.requireSame(x)
}

func playDocIDs(s *stage) {
	x := s.device()
	s.quarrel(x)
	s.settle(x)
	x.SetBlob("b-1", "file", "application/octet-stream", noise(9000))
	s.quietly(x, s.pushOnly())
	config := s.pullOnly()
	config.DocIDs = []string{"q-1", "b-1", "nosuch"}
	w := s.device()
	s.play(w, config)
	require.Len(s.t, w.Collection(DefaultCollection).All(), 2)
}

func playResetCheckpoint(s *stage) {
	x, y, z, w := s.device(), s.device(), s.device(), s.device()
	blob := noise(9000)
	s.history(x, y)
	s.blobs(x, z, blob)
	x.Put("live-2", `{"v":"x2"}`)
	s.quietly(x, s.pushOnly())
	w.Put("own", `{}`) // so that it does not ask for live documents only
	if s.version == V32 {
		s.quietly(y, s.pullOnly())
		y.Put("q-3", `{"v":"stale push"}`)
		y.Put("live-1", `{"v":1}`)
		y.Put("live-1", `{"v":2}`)
		s.quietly(y, s.pushOnly())
		s.quietly(w, s.pullOnly())
		w.ResetCheckpoint()
	} else {
		config := s.pullOnly()
		config.DocIDs = []string{"q-1", "q-2", "b-1"}
		s.quietly(w, config)
	}
	s.play(w, s.pullOnly())
}

func playBadCollection(s *stage) {
	config := s.pullOnly()
	config.Collections = []string{"s1.nosuch"}
	r := s.device().Start(s.adjust(config))
	require.Equal(s.t, &Error{"WebSocket", http.StatusNotFound, "Collection 's1.nosuch' is not found on the remote server"}, r.Wait())
	s.played = append(s.played, r.Messages())
}

func playDefaultCollection(s *stage) {
	r := s.device().Start(s.adjust(s.pullOnly()))
	require.Error(s.t, r.Wait())
	s.played = append(s.played, r.Messages())
	if s.version == V32 { // both requests are refused, in any order, and the client closes at the first
		text := " {Error-Code: 400, Error-Domain: HTTP} The database has no default collection."
		s.otherwise[1] = true // it may close before its second request has gone out
		s.maybe[1] = []string{"ERR (to getCheckpoint)" + text, "ERR (to subChanges)" + text}
	}
}

func playCollections(s *stage) {
	for _, name := range []string{"c1", "c2"} {
		_, err := s.db.OpenCollection(s.ctx, "s1", name)
		require.NoError(s.t, err)
	}
	x, y := s.device(), s.device()
	x.Collection("s1.c1").Put("in-c1", `{"n":1}`)
	x.Collection("s1.c2").Put("in-c2", `{"n":2}`)
	config := s.both()
	config.Collections = []string{"s1.c1", "s1.c2"}
	s.play(x, config)
	config.Push = false
	s.play(y, config)
	for _, name := range config.Collections {
		s.requireSame(x, name)
		s.requireSame(y, name)
	}
}

// history makes q-1, q-2 and q-3, in which both devices had a part. x does not have the last
// revision of q-3.
func (s *stage) history(x, y *Device) {
	s.t.Helper()
	x.Put("q-3", `{"v":"first"}`)
	s.quietly(x, s.pushOnly())
	x.ForgetServer()
	s.quietly(x, s.pushOnly()) // it hears that the server has it
	for _, doc := range [][2]string{{"q-1", `{"n":1,"channels":["c1"]}`}, {"q-2", `{"n":2,"channels":["c1"]}`}} {
		x.Put(doc[0], doc[1])
		s.quietly(x, s.pushOnly())
	}
	s.settle(x)
	x.Put("q-3", `{"v":"from x1"}`)
	x.Put("q-3", `{"v":"again x1"}`)
	s.quietly(x, s.both())
	s.quietly(y, s.pullOnly())
	y.Put("q-3", `{"v":"again x2"}`)
	s.quietly(y, s.pushOnly())
	s.quietly(x, s.both())
	y.Put("q-3", `{"v":"x2 first"}`)
	s.quietly(y, s.pushOnly())
}

// blobs makes b-1, b-2 on the one device and b-3 on the other, with the same blob.
func (s *stage) blobs(x, z *Device, blob []byte) {
	s.t.Helper()
	x.SetBlob("b-1", "file", "application/octet-stream", blob)
	x.SetBlob("b-2", "file", "application/octet-stream", blob)
	s.quietly(x, s.pushOnly())
	z.SetBlob("b-3", "file", "application/octet-stream", blob)
	s.quietly(z, s.pushOnly())
}

// playContinuous: x has an edit that was refused as a conflict when it only pushed.
func playContinuous(s *stage) {
	x, y, z := s.device(), s.device(), s.device()
	s.history(x, y)
	x.Put("q-3", `{"v":"stale push"}`)
	s.quietly(x, s.pushOnly())
	s.blobs(x, z, noise(9000))
	x.Resolve(func(_, _ Document) bool { return true })
	config := s.both()
	config.Heartbeat = 20 * time.Millisecond
	r := s.begin(x, config)
	changes := func(n int) { s.await(r, "changes", n) }
	changes(3) // the resolution comes back
	y.Put("live-2", `{"v":"x2"}`)
	s.play(y, s.pushOnly())
	changes(4)
	if s.version == V40 { // the recording hangs after the catch-up
		s.more[1] = []string{
			`REQ rev {Content-Type: application/json, collection: 0, history: VERSION, id: q-3, rev: VERSION, sequence: SEQ} [compressed,noreply] {"v":"x2 first"}`,
			`REQ rev {Content-Type: application/json, collection: 0, id: b-3, rev: VERSION, sequence: SEQ} [compressed] ` + blobBody,
			`RES (to proposeChanges) {} [compressed,urgent] []`,
			`RES (to rev) {}`,
			`changes of collection 0, no. 3: REQ changes {Content-Type: application/json, collection: 0} [compressed] [[SEQ,"q-3","VERSION"]]`,
			`changes of collection 0, no. 4: REQ changes {Content-Type: application/json, collection: 0} [compressed] [[SEQ,"live-2","VERSION"]]`,
			`REQ rev {Content-Type: application/json, collection: 0, id: live-2, rev: VERSION, sequence: SEQ} [compressed,noreply] {"v":"x2"}`,
			`ERR (to setCheckpoint) {Error-Code: 409, Error-Domain: HTTP} Document update conflict`,
			`RES (to getCheckpoint) {Content-Type: application/json, rev: 0-N} [compressed] {local,remote,time}`,
			`RES (to setCheckpoint) {rev: 0-N}`,
		}
		s.end(r, 1)
		return
	}
	x.Put("live-1", `{"v":1}`)
	changes(5)
	x.Put("live-1", `{"v":2}`)
	changes(6)
	s.end(r, 1)
	s.requireSame(x)
}

// blobBody is the body of a document with a blob of 9000 bytes.
const blobBody = `{"_attachments":{"blob_/file":{"content_type":"application/octet-stream","digest":"DIGEST","length":9000,"revpos":1,"stub":true}},` +
	`"file":{"@type":"blob","content_type":"application/octet-stream","digest":"DIGEST","length":9000}}`
