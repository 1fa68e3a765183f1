package auth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// No token, cookie or password reaches a log or an answer, at debug level and whatever
// is wrong with it.
func TestDecision15_NoSecretInLogsAndAnswers(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	w := newWorld(t, func(c *Config) { c.Logger = zap.New(core) })
	w.state.logger = zap.New(core)
	var secrets []string
	for _, b := range brokenTokens() {
		secrets = append(secrets, b.token(w.issuer))
	}
	secrets = append(secrets, w.issuer.token("alice"), "planted-secret-password", strings.Repeat("planted", 6)+"x")
	var answers strings.Builder
	for _, s := range secrets {
		for _, credentials := range [][]string{{"Bearer " + s}, {"Basic " + s}, {s}, {"SyncGatewaySession=" + s}} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				r := request(method, "/notes/_session", `{"name":"alice","password":"planted-secret-password"}`)
				for _, c := range credentials {
					if strings.Contains(c, "Session=") {
						r.Header["Cookie"] = []string{c}
					} else {
						r.Header["Authorization"] = []string{c}
					}
				}
				_, err := w.service.Authenticate(r, w.site, notes)
				_, _ = fmt.Fprint(&answers, err, detail(err))
				resp, body := w.session(r, &notes)
				_, _ = fmt.Fprint(&answers, body, resp.Header["Www-Authenticate"])
			}
		}
	}
	require.Positive(t, logs.Len())
	for _, e := range logs.All() {
		_, _ = fmt.Fprint(&answers, e.Message, e.ContextMap())
	}
	text := answers.String()
	for _, s := range secrets {
		for part := range strings.SplitSeq(s, ".") {
			if len(part) > 20 {
				require.NotContains(t, text, part)
			}
		}
	}
	require.NotContains(t, text, "planted")
}
