package lite

import (
	"net/http"

	"github.com/stretchr/testify/require"
)

func init() {
	scenarios["channels"] = playChannels
	scenarios["filter"] = playFilter
	scenarios["badfilter"] = playBadFilter
	scenarios["revoke"] = playRevoke
}

func playChannels(s *stage) {
	s.controlled()
	x := s.device()
	s.quarrel(x)
	s.settle(x)
	config := s.pullOnly()
	config.Channels = []string{"c1", "c9"}
	w := s.device()
	s.play(w, config)
	require.Len(s.t, w.Collection(DefaultCollection).All(), 1)
}

// playFilter: when 3.2.2 was recorded nothing was in the channel; when 4.0.3 was, a document
// had left it by being deleted.
func playFilter(s *stage) {
	s.controlled()
	x, w := s.device(), s.device()
	config := s.pullOnly()
	if s.version == V32 {
		x.Put("q-3", `{"v":"first"}`)
		s.quietly(x, s.pushOnly())
	} else {
		s.quarrel(x)
		s.settle(x)
		config.DocIDs = []string{"q-1"}
		s.quietly(w, config)
		config.DocIDs = nil
	}
	config.Channels = []string{"c1"}
	s.play(w, config)
}

func playBadFilter(s *stage) {
	config := s.pullOnly()
	config.Filter = "nosuch/filter"
	r := s.device().Start(s.adjust(config))
	err := r.Wait()
	var failure *Error
	require.ErrorAs(s.t, err, &failure)
	require.Equal(s.t, http.StatusBadRequest, failure.Code)
	s.played = append(s.played, r.Messages())
	if s.version == V32 { // the answers come in any order, and the client closes at the first
		s.maybe[1] = []string{`ERR (to getCheckpoint) {Error-Code: 404, Error-Domain: HTTP} missing`}
	}
}

func playRevoke(s *stage) {
	s.controlled()
	s.give("bob", "bob")
	s.put("r-1", `{"channels":["bob"],"n":1}`)
	s.put("r-2", `{"channels":["bob"],"n":2}`)
	s.put("r-3", `{"channels":["bob","x"],"n":3}`)
	x := s.device()
	config := s.pullOnly()
	config.Header = as("bob")
	s.play(x, config)
	require.Len(s.t, x.Collection(DefaultCollection).All(), 3)
	s.put("r-2", `{"channels":[],"n":2}`)
	s.play(x, config)
	require.Len(s.t, x.Collection(DefaultCollection).All(), 2)
	s.give("bob")
	s.play(x, config)
	require.Empty(s.t, x.Collection(DefaultCollection).All())
}
