package lite

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// meanwhile is a pull of bob during which something happens between changes and rev.
func (s *site) meanwhile(happens func()) Config {
	config := s.bobs()
	once := false
	config.Meanwhile = func() {
		if !once {
			happens()
		}
		once = true
	}
	return config
}

// Rows 50, 51: what was offered is not the current revision any more when it is asked for.
func TestADocumentThatChangesBeforeItIsSent(t *testing.T) {
	everyVersion(t, func(t versioned) {
		for name, happens := range map[string]func(s *site){
			"updated":       func(s *site) { s.put("a", `{"channels":["b"],"n":2}`) },
			"updated twice": func(s *site) { s.put("a", `{"channels":["b"],"n":2}`); s.put("a", `{"channels":["b"],"n":3}`) },
			"deleted":       func(s *site) { s.remove("a") },
		} {
			t.Run(name, func(tt *testing.T) {
				tt.Parallel()
				s, d := newSite(tt).controlled(), NewDevice(tt, t.version)
				s.give("bob", "b")
				s.put("a", `{"channels":["b"],"n":1}`)
				s.put("other", `{"channels":["b"]}`)
				d.Sync(s.meanwhile(func() { happens(s) }))
				d.Sync(s.bobs())
				s.requireSame(d)
			})
		}
	})
}

// Rows 54, 78: nothing is sent that the user may not see by then.
func TestADocumentThatIsLostBeforeItIsSent(t *testing.T) {
	everyVersion(t, func(t versioned) {
		for name, happens := range map[string]func(s *site){
			"it left the channel":  func(s *site) { s.put("a", `{"channels":["c"],"secret":2}`) },
			"the channel was lost": func(s *site) { s.give("bob") },
		} {
			t.Run(name, func(tt *testing.T) {
				tt.Parallel()
				s, d := newSite(tt).controlled(), NewDevice(tt, t.version)
				s.give("bob", "b")
				s.put("a", `{"channels":["b"],"secret":1}`)
				r := d.Sync(s.meanwhile(func() { happens(s) }))
				if name == "the channel was lost" {
					require.NotContains(tt, transcript(r.Messages()), "secret")
				}
				require.NotContains(tt, transcript(r.Messages()), `"secret":2`)
				d.Sync(s.bobs())
				require.Empty(tt, d.ids())
			})
		}
	})
}

// Row 20.
func TestAPullOfMoreDocumentsByIDThanABatchHolds(t *testing.T) {
	everyVersion(t, func(t versioned) {
		s, d := newSite(t.T), NewDevice(t, t.version)
		config := s.pullOnly()
		for i := range 600 {
			id := fmt.Sprintf("doc-%03d", i)
			s.put(id, `{}`)
			if i%2 == 0 {
				config.DocIDs = append(config.DocIDs, id, "no-"+id)
			}
		}
		d.Sync(config)
		require.Len(t, d.ids(), 300)
	})
}
