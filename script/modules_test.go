package script

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// requiring runs a function's body that may require modules.
func requiring(t *testing.T, modules map[string]string, body string) ([]string, error) {
	t.Helper()
	// The bound is on the whole process, where other tests take much on purpose.
	pool := NewPool(Options{Functions: []string{"tell"}, Memory: 1 << 30})
	f, err := pool.CompileWith("map", "function (doc) {"+body+"\n}", modules)
	require.NoError(t, err)
	host := &recorder{}
	for range 2 { // a second call finds nothing of the first
		_, err = f.Call(context.Background(), host, `{"a":1}`)
	}
	return host.told, err
}

func TestModulesAreRequired(t *testing.T) {
	t.Parallel()
	modules := map[string]string{
		"lib/one":     `exports.n = (exports.n || 0) + 1; exports.name = "one"; tell("run", module.id)`,
		"lib/two":     `var one = require("./one"); module.exports = function (x) { return x + one.n }`,
		"lib/sub/new": `exports.one = require("../one"); exports.two = require("lib/two.js") // the last line is a comment`,
		"lib/cycle":   `exports.early = 1; exports.back = require("./cycle2").seen`,
		"lib/cycle2":  `exports.seen = require("./cycle").early`,
	}
	for body, want := range map[string][]string{
		`tell(require("lib/one").name, require("lib/one").n)`:                               {"tell run lib/one", "tell one 1"},
		`tell(require("lib/two")(41))`:                                                      {"tell run lib/one", "tell 42"},
		`var m = require("lib/sub/new"); tell(m.one.name, m.two(1))`:                        {"tell run lib/one", "tell one 2"},
		`tell(require("lib/cycle").back)`:                                                   {"tell 1"},
		`require("lib/one").n = 7; tell(require("./lib/one").n)`:                            {"tell run lib/one", "tell 7"},
		`try { require("lib/none") } catch (e) { tell(e.message) }`:                         {`tell require: there is no module "lib/none"`},
		`try { require(5) } catch (e) { tell(e.message) }`:                                  {`tell require needs the path of a module, such as "views/lib/dates"`},
		`try { require("../lib/../../etc/passwd") } catch (e) { tell(e instanceof Error) }`: {"tell boolean"},
	} {
		told, err := requiring(t, modules, body)
		require.NoError(t, err, body)
		require.Equal(t, want, told, body)
	}
}

func TestWhatIsWrongWithAModuleIsThrownWhenItIsRequired(t *testing.T) {
	t.Parallel()
	modules := map[string]string{
		"lib/syntax": "exports.x = ;", "lib/bracket": "}, function () {", "lib/bracket2": "}; _ = function () {", "lib/bracket3": "} {",
		"lib/throws": `throw ({forbidden: "no"})`, "lib/fails": "\nnull.x", "lib/endless": "for (;;) {}",
		"lib/again": `require("./again2")`, "lib/again2": `throw new Error(String(typeof exports))`,
	}
	told, err := requiring(t, modules, `tell("fine")`)
	require.NoError(t, err)
	require.Equal(t, []string{"tell fine"}, told)
	for name, want := range map[string]string{
		"syntax": "map requires lib/syntax:1:13: Unexpected token ;", "bracket": "no module", "bracket2": "no module", "bracket3": "map requires lib/bracket3",
		"throws": "forbidden: no", "fails": "map requires lib/fails:2:6", "endless": ErrTimeout.Error(), "again": "object",
	} {
		_, err := requiring(t, modules, `require("lib/`+name+`")`)
		require.ErrorContains(t, err, want)
	}
	_, err = requiring(t, map[string]string{"m": `require("m" + Math.random())`}, `for (;;) try { require("m") } catch (e) {}`)
	require.ErrorIs(t, err, ErrTimeout)
	_, err = requiring(t, nil, `require("m")`)
	require.ErrorContains(t, err, "require is not defined")
}

func TestModulesThatRequireOneAnotherWithoutEndAreStopped(t *testing.T) {
	t.Parallel()
	_, err := requiring(t, map[string]string{"m": `exports.f = function () { return require("m").f() }`}, `require("m").f()`)
	require.Error(t, err)
}
