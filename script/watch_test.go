package script

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A virtual machine is paused for seconds when it is moved to another host.
func TestTimeInWhichTheProcessDidNotRunIsNotTheFunctions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int32
		w := newWatch(func(error) { stopped.Add(1) })
		w.begin(time.Second, 1<<40)
		time.Sleep(500 * time.Millisecond)
		w.mu.Lock()
		w.looked = w.looked.Add(-time.Minute) // as if the next look came that late
		w.mu.Unlock()
		time.Sleep(480 * time.Millisecond)
		require.NoError(t, w.end())
		require.Zero(t, stopped.Load())

		w.begin(time.Second, 1<<40)
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		require.Zero(t, stopped.Load())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 1, stopped.Load())
		require.ErrorIs(t, w.end(), ErrTimeout)
	})
}

// A match of a regular expression that comes to its limit is told to the script as no match, which it might take for
// a permission. On a machine with too few processors the looks at a call come late, each counts little, and so the
// function's own time was not over then.
func TestAMatchThatCameToItsLimitFailsTheCallHoweverLateTheLooksAre(t *testing.T) {
	t.Parallel()
	const text = `"a".repeat(40) + "b"`
	for name, body := range map[string]string{
		"test":    `/^(a+)+$(?=x)/.test(` + text + `)`,
		"exec":    `/^(a+)+$(?=x)/.exec(` + text + `)`,
		"match":   `(` + text + `).match(/^(a+)+$(?=x)/)`,
		"search":  `(` + text + `).search(/^(a+)+$(?=x)/)`,
		"replace": `(` + text + `).replace(/^(a+)+$(?=x)/, "")`,
		"split":   `(` + text + `).split(/^(a+)+$(?=x)/)`,
		"caught":  `(() => { try { return /^(a+)+$(?=x)/.test(` + text + `) } catch (e) { return false } })()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := mustCompile(t, "function () { tell('allowed: ' + "+body+") }", Options{Functions: []string{"tell"}})
			s, err := f.pool.take()
			require.NoError(t, err)
			s.watch.timer = time.AfterFunc(time.Hour, func() {}) // no look comes at all
			_, err = s.call(f, new(recorder), nil)
			require.ErrorIs(t, err, ErrTimeout)
			require.True(t, s.touched())
		})
	}
}
