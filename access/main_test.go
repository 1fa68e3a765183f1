package access

import (
	"testing"

	"github.com/caddysync/caddy-sync/test/leaks"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leaks.RegexpClock()) }
