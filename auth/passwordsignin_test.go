package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/crypto/argon2"
)

func takesPasswords(c *Config) { c.Databases[0].PasswordAuth = true }

// passwordWorld takes passwords. alice has one.
func passwordWorld(tb testing.TB, change ...func(*Config)) *world {
	tb.Helper()
	w := newWorld(tb, append([]func(*Config){takesPasswords}, change...)...)
	w.state.passwords.argon2 = quickArgon2
	w.setPassword("alice", "alice's password")
	return w
}

// quickArgon2 takes no time worth mentioning.
func quickArgon2(password, salt []byte, _, _ uint32, _ uint8, length uint32) []byte {
	return argon2.IDKey(password, salt, 1, 8, 1, length)
}

func (w *world) setPassword(name, password string) {
	w.t.Helper()
	h, err := w.state.passwords.hash(w.t.Context(), password)
	require.NoError(w.t, err)
	w.setHash(name, h)
}

func (w *world) setHash(name, h string) {
	w.t.Helper()
	_, err := w.state.PutUser(w.t.Context(), notes.ID, name, UserUpdate{PasswordHash: &h})
	require.NoError(w.t, err)
	time.Sleep(time.Millisecond) // what is made at the same time is taken for older
}

func basic(name, password string) string { return "Basic " + basicCredentials(name+":"+password) }

func loginBody(name, password string) string {
	b, _ := json.Marshal(map[string]string{"name": name, "password": password})
	return string(b)
}

// login posts a name and a password.
func (w *world) login(name, password string, credentials ...string) (*http.Response, map[string]any) {
	w.t.Helper()
	return w.session(request(http.MethodPost, "/notes/_session", loginBody(name, password), credentials...), &notes)
}

// cookieOf is a sign-in's cookie as a Cookie header.
func cookieOf(tb testing.TB, resp *http.Response) string {
	tb.Helper()
	require.Equal(tb, 200, resp.StatusCode)
	require.Len(tb, resp.Cookies(), 1)
	return resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
}

// F61, F90: by Basic, by POST of JSON and of CouchDB's form.
func TestF61_PasswordSignIn(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t)
	for _, name := range []string{"alice", "foo#bar", "foo?bar", "$foo$bar", "_sync-foobar", "日本語"} {
		password := "naïve: pass wörd?&=+%"
		w.setPassword(name, password)
		p := w.in(basic(name, password))
		require.Equal(t, name, p.Name)
		require.Equal(t, MethodBasic, p.Method)

		resp, body := w.login(name, password)
		require.Equal(t, name, body["name"])
		require.Equal(t, name, w.in(cookieOf(t, resp)).Name)

		r := request(http.MethodPost, "/notes/_session", url.Values{"name": {name}, "password": {password}}.Encode())
		r.Header.Set("Content-Type", formType)
		resp, body = w.session(r, &notes)
		require.Equal(t, name, body["name"])
		require.Equal(t, name, w.in(cookieOf(t, resp)).Name)

		_, body = w.session(request(http.MethodGet, "/notes/_session", "", basic(name, password)), &notes)
		require.Equal(t, name, body["userCtx"].(map[string]any)["name"])
		resp, _ = w.session(request(http.MethodPost, "/notes/_session", "", basic(name, password)), &notes)
		require.Equal(t, name, w.in(cookieOf(t, resp)).Name, "Basic makes a session too")
	}
}

func TestPasswordsAndCookiesTogether(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t)
	bobs := w.signIn(w.issuer.token("bob"))
	// F64: Basic beats the cookie of another user.
	require.Equal(t, "alice", w.in(basic("alice", "alice's password"), bobs).Name)
	require.Equal(t, "Invalid login", w.out(basic("alice", "wrong password"), bobs).Reason)
	// F63: a stale cookie does not keep a good password out.
	resp, _ := w.login("alice", "alice's password", "SyncGatewaySession="+strings.Repeat("x", 43))
	cookieOf(t, resp)
	// A good cookie does not make a wrong password look right, nor its session another's.
	resp, _ = w.login("alice", "wrong password", bobs)
	require.Equal(t, 401, resp.StatusCode)
	require.Empty(t, resp.Cookies())
	resp, body := w.login("alice", "alice's password", bobs)
	require.Equal(t, "alice", body["name"])
	require.NotEqual(t, bobs, cookieOf(t, resp))
}

// F86: an unknown user, a wrong password, a disabled user, one without a password and one
// whose record is damaged read the same and take the same time and work.
func TestF86_UnknownWrongAndDisabledReadTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		w.in(bearer(w.issuer.token("tom"))) // signs in by token, has no password
		w.setPassword("dora", "dora's password")
		require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "dora", true))
		w.setHash("damaged", "damaged")
		w.setHash("imported", bcrypted(t, "imported password", 4))
		compute := w.state.passwords.argon2
		var computed atomic.Int64
		w.state.passwords.argon2 = func(password, salt []byte, passes, memory uint32, threads uint8, length uint32) []byte {
			computed.Add(1)
			return compute(password, salt, passes, memory, threads, length)
		}
		type answer struct {
			status   int
			body     string
			header   http.Header
			took     time.Duration
			computed int64
		}
		ask := func(r *http.Request) answer {
			computed.Store(0)
			began := time.Now()
			rec := httptest.NewRecorder()
			serveSession(w.service, rec, r, w.site, &notes, nil)
			return answer{rec.Code, rec.Body.String(), rec.Header(), time.Since(began), computed.Load()}
		}
		for _, c := range []struct{ name, password, true string }{
			{"alice", "wrong password", "wrong password"},
			{"nobody", "alice's password", "no such user"},
			{"dora", "dora's password", "user is disabled"},
			{"dora", "wrong password", "user is disabled"},
			{"idp.example.com_tom", "", "the user has no password"},
			{"idp.example.com_tom", "password", "the user has no password"},
			{"damaged", "damaged", "the stored hash cannot be read"},
			{"imported", "wrong password", "wrong password"},
			{"alice", "", "wrong password"},
			{"no/user:name", "password", "no such user"},
			{strings.Repeat("n", 1000), "password", "no such user"},
			{"alice", strings.Repeat("x", 2000), "wrong password"},
		} {
			got := ask(request(http.MethodPost, "/notes/_session", loginBody(c.name, c.password)))
			require.Equal(t, 401, got.status, c.name)
			require.Equal(t, `{"error":"unauthorized","reason":"Invalid login"}`+"\n", got.body)
			require.Equal(t, []string{challengeBare, challengeBasic}, got.header["Www-Authenticate"])
			require.Empty(t, got.header["Set-Cookie"])
			require.Equal(t, failureStep, got.took, c.name)
			if c.name != "imported" {
				require.EqualValues(t, 1, got.computed, c.name)
			}
			if strings.Contains(c.name, ":") || len(c.name+c.password) > 1000 {
				continue
			}
			began := time.Now()
			e := w.out(basic(c.name, c.password))
			require.Equal(t, failureStep, time.Since(began))
			require.Equal(t, "Invalid login", e.Reason)
			require.Equal(t, got.header["Www-Authenticate"], e.Challenges)
			require.Equal(t, c.true, e.Detail, "for the log")
		}
	})
}

// With password_auth off, passwords are refused whatever is stored, also after a reload.
func TestPasswordAuthOffRefusesWhateverIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		credentials := basic("alice", "alice's password")
		p := w.in(credentials) // and into the cache of verified pairs
		resp, _ := w.login("alice", "alice's password")
		cookie := cookieOf(t, resp)
		byPassword, byCookie, byToken := w.lease(p), w.lease(w.in(cookie)), w.lease(w.in(bearer(w.issuer.token("bob"))))

		w.service = w.start(func(c *Config) { c.Databases[0].PasswordAuth = false })
		synctest.Wait()
		require.True(t, ended(byPassword))
		require.True(t, ended(byCookie))
		require.False(t, ended(byToken))
		good := w.signIn(w.issuer.token("bob"))
		for _, c := range [][]string{{credentials}, {credentials, good}, {basic("nobody", "password")}} {
			e := w.out(c...)
			require.Equal(t, 401, e.Status)
			require.Equal(t, "Invalid login", e.Reason)
			require.Equal(t, []string{challengeBare}, e.Challenges, "no browser asks for a password that nobody has")
		}
		require.Equal(t, "Session Invalid", w.out(cookie).Reason)
		began := time.Now()
		resp, _ = w.login("alice", "alice's password", good)
		require.Equal(t, 401, resp.StatusCode)
		require.Empty(t, resp.Cookies())
		require.Equal(t, began, time.Now(), "nothing is computed")

		// And back: nothing was deleted (DECISIONS 17).
		w.service = w.start(takesPasswords)
		w.in(credentials)
		w.in(cookie)
	})
}

// F88: a better hash of the same password is stored when its owner signs in. Nothing ends.
func TestF88_BcryptIsRehashedAtSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		stored := func() string {
			u, err := w.state.User(t.Context(), notes.ID, "imported")
			require.NoError(t, err)
			return u.Password
		}
		old := bcrypted(t, "imported password", 4)
		w.setHash("imported", old)
		require.Equal(t, 401, w.out(basic("imported", "wrong password")).Status)
		require.Equal(t, old, stored(), "a wrong password never rehashes")
		p := w.in(basic("imported", "imported password"))
		require.Regexp(t, `^\$argon2id\$`, stored())
		better := stored()
		lease := w.lease(p)
		resp, _ := w.login("imported", "imported password")
		w.in(cookieOf(t, resp))
		synctest.Wait()
		require.False(t, ended(lease))
		require.Equal(t, better, stored(), "once")

		// Past the 72nd byte bcrypt has seen nothing: what follows is not taken for good.
		long := strings.Repeat("x", 72)
		old = bcrypted(t, long, 4)
		w.setHash("imported", old)
		w.in(basic("imported", long+"slip"))
		require.Equal(t, old, stored())
		w.in(basic("imported", long))
		require.Regexp(t, `^\$argon2id\$`, stored())
		require.Equal(t, 401, w.out(basic("imported", long+"another slip")).Status)
	})
}

// F69, F78: a changed or removed password ends sessions, leases and verified pairs; other
// changes end nothing.
func TestF78_PasswordChangeEndsSessionsAndBasic(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"changed":         func(w *world) { w.setPassword("alice", "a new password") },
		"set to the same": func(w *world) { w.setPassword("alice", "alice's password") },
		"removed":         func(w *world) { w.setHash("alice", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := passwordWorld(t)
				credentials := basic("alice", "alice's password")
				resp, _ := w.login("alice", "alice's password")
				cookie := cookieOf(t, resp)
				leases := []*Lease{w.lease(w.in(credentials)), w.lease(w.in(cookie))}

				email := "alice@example.com"
				channels := []string{"news"}
				_, err := w.state.PutUser(t.Context(), notes.ID, "alice", UserUpdate{Email: &email, AdminChannels: &channels})
				require.NoError(t, err)
				synctest.Wait()
				w.in(cookie)
				for _, l := range leases {
					require.False(t, ended(l))
				}

				change(w)
				synctest.Wait()
				require.Equal(t, "Session Invalid", w.out(cookie).Reason)
				for _, l := range leases {
					require.True(t, ended(l))
				}
				require.Equal(t, "password changed", leases[0].Reason())
				if name == "set to the same" {
					w.in(credentials)
					return
				}
				require.Equal(t, "Invalid login", w.out(credentials).Reason)
			})
		})
	}
}

// A client takes 401 for good: Couchbase Lite does not connect again. So whoever signs in just when an
// administrator sets the password that they show is judged by what was set.
func TestPasswordSetAnewWhileItIsChecked(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t)
	// meanwhile sets a password while the next one is checked.
	meanwhile := func(password string) {
		set := new(atomic.Bool)
		w.state.passwords.argon2 = func(given, salt []byte, a, b uint32, c uint8, length uint32) []byte {
			if set.CompareAndSwap(false, true) {
				w.setPassword("alice", password)
			}
			return quickArgon2(given, salt, a, b, c, length)
		}
	}
	meanwhile("alice's password")
	require.False(t, ended(w.lease(w.in(basic("alice", "alice's password")))))

	meanwhile("alice's password")
	resp, _ := w.login("alice", "alice's password")
	require.Equal(t, "alice", w.in(cookieOf(t, resp)).Name)

	w.setPassword("alice", "alice's password")
	meanwhile("another one")
	require.Equal(t, "Invalid login", w.out(basic("alice", "alice's password")).Reason)
	require.Equal(t, "alice", w.in(basic("alice", "another one")).Name)

	w.setPassword("alice", "alice's password")
	meanwhile("another one")
	resp, _ = w.login("alice", "alice's password")
	require.Equal(t, 401, resp.StatusCode)
	require.Empty(t, resp.Cookies())
}

// from is a sign-in by password from an address, as an HTTP answer.
func (w *world) from(addr, name, password string) *http.Response {
	w.t.Helper()
	r := request(http.MethodPost, "/notes/_session", loginBody(name, password))
	r = r.WithContext(WithClient(r.Context(), Client{Addr: netip.MustParseAddr(addr)}))
	resp, _ := w.session(r, &notes)
	return resp
}

// 429 with Retry-After, by (user, address) and by address, for known and unknown names
// alike. Who is signed in there goes on.
func TestDecision11_TooManyLoginsAre429(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		w.state.passwords.step = 0
		credentials := basic("alice", "alice's password")
		w.in(credentials) // from 192.0.2.1
		for _, name := range []string{"alice", "nobody"} {
			for i := range pairBurst + 1 {
				resp := w.from("192.0.2.1", name, "wrong password")
				if i < pairBurst {
					require.Equal(t, 401, resp.StatusCode, i)
					continue
				}
				require.Equal(t, 429, resp.StatusCode)
				require.Equal(t, "60", resp.Header.Get("Retry-After"))
				require.Empty(t, resp.Header["Www-Authenticate"])
			}
		}
		// Nor can a right one be found so, though it was verified before.
		require.Equal(t, 429, w.from("192.0.2.1", "alice", "alice's password").StatusCode)
		require.Equal(t, 429, w.out(credentials).Status)
		require.Equal(t, 200, w.from("192.0.2.2", "alice", "alice's password").StatusCode, "elsewhere nobody is locked out")

		time.Sleep(time.Minute)
		require.Equal(t, 200, w.from("192.0.2.1", "alice", "alice's password").StatusCode)
		require.Equal(t, 200, w.from("192.0.2.1", "alice", "alice's password").StatusCode, "what succeeds costs nothing")
		e := w.out(basic("alice", "wrong password"))
		require.Equal(t, 401, e.Status)
		e = w.out(basic("alice", "wrong password"))
		require.Equal(t, 429, e.Status)
		require.Equal(t, time.Minute, e.RetryAfter)

		// One address, many names; the addresses of one IPv6 subscriber are one.
		refused := 0
		for i := range addressBurst + 20 {
			resp := w.from(fmt.Sprintf("2001:db8::%x", i+1), fmt.Sprint("name", i), "password")
			if resp.StatusCode == http.StatusTooManyRequests {
				require.Equal(t, "10", resp.Header.Get("Retry-After"))
				refused++
			}
		}
		require.Equal(t, 20, refused)
	})
}

// Many addresses at one account delay strangers and never refuse its owner.
func TestDecision11_DistributedGuessingLocksNobodyOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		w.state.passwords.step = 0
		w.state.passwords.argon2 = func(_, _ []byte, _, _ uint32, _ uint8, length uint32) []byte { return make([]byte, length) }
		sum := &passwordHash{memory: argon2Memory, passes: argon2Passes, threads: 1, salt: make([]byte, 16), sum: make([]byte, 32)}
		w.setHash("alice", sum.String()) // which is of all passwords now
		w.setPassword("alice", "x")
		require.Equal(t, 200, w.from("192.0.2.1", "alice", "x").StatusCode)
		other := *sum
		other.sum = []byte(strings.Repeat("y", 32))
		w.setHash("alice", other.String()) // and now of none
		for i := range userBurst + 20 {
			require.Equal(t, 401, w.from(fmt.Sprintf("198.51.100.%d", i), "alice", "wrong").StatusCode)
		}
		w.setHash("alice", sum.String())
		began := time.Now()
		require.Equal(t, 200, w.from("192.0.2.1", "alice", "x").StatusCode)
		require.Equal(t, began, time.Now(), "where she signed in before")
		w.setHash("alice", sum.String())
		began = time.Now()
		require.Equal(t, 200, w.from("192.0.2.99", "alice", "x").StatusCode)
		require.Greater(t, time.Since(began), time.Second, "from a new place it takes a while")
		require.LessOrEqual(t, time.Since(began), maxLoginDelay)
	})
}

// More logins than cores at once wait or get 429, and what was not compared is not held
// against anybody.
func TestDecision11_TooManyChecksAtOnceAre429(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		for range cap(w.state.passwords.slots) {
			require.NoError(t, w.state.passwords.acquire(t.Context()))
		}
		for range 3 * pairBurst {
			resp := w.from("192.0.2.1", "alice", "alice's password")
			require.Equal(t, 429, resp.StatusCode)
			require.Equal(t, "1", resp.Header.Get("Retry-After"))
		}
		// Nor are those who hang up.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 3 * pairBurst {
			_, refusal := w.service.checkPassword(WithClient(ctx, Client{Addr: home}), notes, "alice", "alice's password")
			require.Equal(t, 503, refusal.Status)
		}
		for range cap(w.state.passwords.slots) {
			w.state.passwords.release()
		}
		require.Equal(t, 200, w.from("192.0.2.1", "alice", "alice's password").StatusCode)
	})
}

// A client that begins with many requests at once is not taken for one who guesses.
func TestDecision11_ParallelRequestsOfOneClientAreOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		compute := w.state.passwords.argon2
		var computed atomic.Int64
		w.state.passwords.argon2 = func(password, salt []byte, passes, memory uint32, threads uint8, length uint32) []byte {
			computed.Add(1)
			time.Sleep(30 * time.Millisecond)
			return compute(password, salt, passes, memory, threads, length)
		}
		at := func(password string, addr netip.Addr) int {
			r := get(basic("alice", password))
			_, err := w.service.Authenticate(r.WithContext(WithClient(r.Context(), Client{Addr: addr})), w.site, notes)
			if err == nil {
				return 200
			}
			return asError(t, err).Status
		}
		all := func(password string, addr netip.Addr) (statuses map[int]int) {
			ch := make(chan int)
			for range 3 * pairBurst {
				go func() { ch <- at(password, addr) }()
			}
			statuses = map[int]int{}
			for range 3 * pairBurst {
				statuses[<-ch]++
			}
			return statuses
		}
		require.Equal(t, map[int]int{200: 3 * pairBurst}, all("alice's password", home))
		require.EqualValues(t, 1, computed.Load())
		require.Equal(t, map[int]int{401: 3 * pairBurst}, all("wrong password", attacker))
		require.EqualValues(t, 2, computed.Load())
		for i := range pairBurst {
			status := 401
			if i == pairBurst-1 {
				status = 429
			}
			require.Equal(t, status, at(fmt.Sprint("wrong password ", i), attacker), "other passwords are other attempts")
		}
	})
}

// A verified pair is not computed again, and knows the change of everything else.
func TestDecision6_VerifiedBasicHoldsNoUserState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		credentials := basic("alice", "alice's password")
		w.in(credentials)
		compute := w.state.passwords.argon2
		w.state.passwords.argon2 = func([]byte, []byte, uint32, uint32, uint8, uint32) []byte {
			t.Error("computed again")
			return nil
		}
		roles := []string{"staff"}
		_, err := w.state.PutUser(t.Context(), notes.ID, "alice", UserUpdate{AdminRoles: &roles})
		require.NoError(t, err)
		require.Equal(t, roles, w.in(credentials).Roles)
		w.state.passwords.argon2 = compute

		require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "alice", true))
		require.Equal(t, 401, w.out(credentials).Status)
		require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "alice", false))
		w.in(credentials)
		require.NoError(t, w.state.DeleteUser(t.Context(), notes.ID, "alice"))
		require.Equal(t, 401, w.out(credentials).Status)
	})
}

// Header smuggling in names: what is not a plain name and password signs nobody in.
func TestAttackSmuggledNamesSignNobodyIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := passwordWorld(t)
		good := strings.TrimPrefix(basic("alice", "alice's password"), "Basic ")
		for _, bad := range []string{
			basic("alice\r\nX-Admin: 1", "alice's password"), basic("alice\x00", "alice's password"), basic("alice\n", "alice's password"),
			basic("alice", "alice's password\x00"), basic(" alice", "alice's password"), basic("alice ", "alice's password"),
			basic("ALICE", "alice's password"), basic("аlice", "alice's password"), basic("alice\u200b", "alice's password"),
			"Basic " + strings.TrimRight(good, "="), "Basic " + good + "=", "Basic " + good + "," + good, "Basic " + good + " " + good,
		} {
			e := w.out(bad)
			require.Equal(t, 401, e.Status, bad)
			require.Equal(t, "Invalid login", e.Reason)
		}
		for _, bad := range []string{
			`{"name":"alice","password":"alice's password","name":"eve"}`, `{"name":"alice\r\n","password":"alice's password"}`,
			`{"Name":"alice","password":"alice's password"}`, `[{"name":"alice","password":"alice's password"}]`,
			`{"name":"alice","password":["alice's password"]}`,
		} {
			resp, _ := w.session(request(http.MethodPost, "/notes/_session", bad), &notes)
			require.Equal(t, 400, resp.StatusCode, bad)
			require.Empty(t, resp.Cookies())
		}
		w.in("Basic " + good)
		w.in("basic   " + good)
	})
}

// No password reaches a log or an answer, also not one typed where the name belongs.
func TestDecision15_NoPasswordInLogsAndAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		w := passwordWorld(t, func(c *Config) { c.Logger, c.Audit = zap.New(core), zap.New(core) })
		w.state.logger = zap.New(core)
		const planted = "planted/secret:password"
		w.setPassword("carol", planted)
		w.setHash("damaged", planted)
		w.setHash("imported", bcrypted(t, planted, 4))
		var text strings.Builder
		for _, name := range []string{"carol", "damaged", "imported", "nobody", planted, ""} {
			for _, password := range []string{planted, planted + " wrong"} {
				_, err := w.service.Authenticate(get(basic(name, password)), w.site, notes)
				resp, body := w.login(name, password)
				header := maps.Clone(resp.Header)
				_, _ = fmt.Fprint(&text, err, detail(err), body, header)
			}
		}
		require.Positive(t, logs.Len())
		for _, e := range logs.All() {
			_, _ = fmt.Fprint(&text, e.Message, e.ContextMap())
		}
		require.NotContains(t, text.String(), "planted")
		require.NotContains(t, text.String(), basicCredentials("carol:"+planted))
		require.NotContains(t, text.String(), "$argon2id$")
		require.NotContains(t, text.String(), "$2a$04$")
		names := []string{}
		for _, e := range logs.FilterField(zap.String("event", auditSignIn)).All() {
			names = append(names, e.ContextMap()["user"].(string))
		}
		slices.Sort(names)
		require.Equal(t, []string{"carol", "imported"}, slices.Compact(names))
	})
}
