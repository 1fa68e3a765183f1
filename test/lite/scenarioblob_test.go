package lite

func init() {
	scenarios["attach"] = playAttach
	scenarios["bigblob"] = playBigBlob
	scenarios["dedup"] = playDedup
	scenarios["restattach"] = playRESTAttach
}

func playAttach(s *stage) {
	x := s.device()
	blob := noise(12000)
	x.SetBlob("pa", "file", "application/octet-stream", blob)
	s.play(x, s.pushOnly())
	s.requireSame(x)
	x.Put("pa", `{"nofile":1}`)
	s.play(x, s.pushOnly())
	s.requireSame(x)
	x.Collection(DefaultCollection).edit("pa", object{"file": x.AddBlob("application/octet-stream", blob)}, false)
	s.play(x, s.pushOnly())
	s.requireSame(x)
	x.Collection(DefaultCollection).edit("pa", object{"file": x.AddBlob("", blob), "x": 1}, false)
	s.play(x, s.pushOnly())
	s.requireSame(x)
}

func playBigBlob(s *stage) {
	x, y := s.device(), s.device()
	x.SetBlob("big", "file", "application/octet-stream", noise(600000))
	s.play(x, s.pushOnly())
	s.play(y, s.pullOnly())
	s.requireSame(x)
	s.requireSame(y)
}

func playDedup(s *stage) {
	x, y, z := s.device(), s.device(), s.device()
	s.history(x, y)
	blob := noise(9000)
	x.SetBlob("b-1", "file", "application/octet-stream", blob)
	x.SetBlob("b-2", "file", "application/octet-stream", blob)
	s.play(x, s.pushOnly())
	z.SetBlob("b-3", "file", "application/octet-stream", blob)
	s.play(z, s.pushOnly())
	s.play(z, s.pullOnly())
	s.requireSame(z)
}

func playRESTAttach(s *stage) {
	s.put("ra", `{"n":1}`, s.attach("hello.txt", "text/plain", "hello world"))
	x := s.device()
	config := s.pullOnly()
	config.DocIDs = []string{"ra"}
	s.play(x, config)
	s.requireSame(x)
}
