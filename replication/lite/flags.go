package lite

import (
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// flag reads a boolean property. LiteCore has no booleans in properties: "1" means what "true"
// does (reference/blip.md 3.0).
func flag(p blip.Properties, name string) bool {
	value, ok := p.Get(name)
	if !ok {
		return false
	}
	switch strings.ToLower(value) {
	case "true", "yes":
		return true
	}
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && n != 0
}
