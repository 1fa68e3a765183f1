package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	getConns   = 32
	hotBar     = 0.70
	uniformBar = 0.50
	signInBar  = 0.10
)

// how a request is signed in.
type signIn int

const (
	byEither signIn = iota // a session or a token, in turn
	byBearer
	byCookie
	byNobody
)

// getter reads random documents as random people.
type getter struct {
	bench  *bench
	random *rand.Rand
	among  int // documents
	signIn signIn
	turn   bool
}

func (g *getter) request(b []byte) []byte {
	b = append(b, "GET /notes/"...)
	b = appendID(b, g.random.IntN(g.among))
	b = append(b, " HTTP/1.1\r\nHost: localhost\r\n"...)
	p := &g.bench.people[g.random.IntN(len(g.bench.people))]
	how := g.signIn
	if how == byEither {
		g.turn = !g.turn
		how = byCookie
		if g.turn {
			how = byBearer
		}
	}
	switch how {
	case byBearer:
		b = p.bearer(b)
	case byCookie:
		b = p.cookie(b)
	}
	return append(b, "\r\n"...)
}

func (*getter) answer(c *conn) error {
	if c.status != http.StatusOK {
		return c.unexpected()
	}
	return nil
}

func (b *bench) getters(among int, how signIn) []exchange {
	all := make([]exchange, getConns)
	for i := range all {
		all[i] = &getter{
			bench: b, among: among, signIn: how, random: rand.New(rand.NewPCG(uint64(i), uint64(among))),
		}
	}
	return all
}

// getRows compares reading documents with Caddy's own respond: the same requests, the
// same number of bytes, in turn.
func (b *bench) getRows(ctx context.Context) error {
	for _, one := range []struct {
		name  string
		among int
		bar   float64
	}{
		{"get-hot", b.hot, hotBar}, {"get-uniform", b.docs, uniformBar},
	} {
		// Once through, so that what a cache can hold it holds.
		if _, err := drive(ctx, b.address(), b.round, b.getters(one.among, byEither)); err != nil {
			return err
		}
		var ours, theirs, cost, theirCost []float64
		var p99 []time.Duration
		for range b.rounds {
			m, cpu, err := b.costed(func() (measure, error) {
				return b.profiled(ctx, one.name, b.round, b.getters(one.among, byEither))
			})
			if err != nil {
				return err
			}
			r, respondCPU, err := b.costed(func() (measure, error) {
				return drive(ctx, b.respondAddress(), b.round, b.getters(one.among, byEither))
			})
			if err != nil {
				return err
			}
			ours, theirs = append(ours, m.perSecond()), append(theirs, r.perSecond())
			cost, theirCost = append(cost, cpu), append(theirCost, respondCPU)
			p99 = append(p99, m.p99)
		}
		row := atLeast(fmt.Sprintf("GET document, %d connections, %d sessions and tokens, %s documents",
			getConns, len(b.people), thousands(float64(one.among))), one.bar, median(ours), median(theirs), "`respond`", "requests/s")
		row.notes = []string{
			fmt.Sprintf("server CPU %.1f µs against %.1f µs a request", median(cost), median(theirCost)),
			fmt.Sprintf("p99 %s", median(p99).Round(10*time.Microsecond)),
		}
		b.add(row)
	}
	return nil
}

// costed measures and tells the server's CPU time for each request, in µs.
func (b *bench) costed(do func() (measure, error)) (measure, float64, error) {
	before, err := harness.CPUTime(b.server.PID())
	if err != nil {
		return measure{}, 0, err
	}
	m, err := do()
	if err != nil {
		return m, 0, err
	}
	after, err := harness.CPUTime(b.server.PID())
	return m, float64((after - before).Microseconds()) / float64(m.requests), err
}

// signInRow compares the ways to sign in.
func (b *bench) signInRow(ctx context.Context) error {
	names := map[signIn]string{byBearer: "bearer", byCookie: "cookie", byNobody: "guest"}
	rates, plain := map[signIn][]float64{}, map[signIn][]float64{}
	costs, plainCosts := map[signIn][]float64{}, map[signIn][]float64{}
	ways := []signIn{byBearer, byCookie, byNobody}
	// Short turns, and many: what the machine does for some seconds is then in all three.
	const turns = 5
	length := b.round / turns
	for round := range b.rounds * turns {
		for i := range ways {
			how := ways[(round+i)%len(ways)] // each way comes first once
			m, cost, err := b.costed(func() (measure, error) {
				return b.profiled(ctx, "signin-"+names[how], length, b.getters(b.hot, how))
			})
			if err != nil {
				return err
			}
			rates[how], costs[how] = append(rates[how], m.perSecond()), append(costs[how], cost)
			m, cost, err = b.costed(func() (measure, error) {
				return drive(ctx, b.respondAddress(), length/2, b.getters(b.hot, how))
			})
			if err != nil {
				return err
			}
			plain[how], plainCosts[how] = append(plain[how], m.perSecond()), append(plainCosts[how], cost)
		}
	}
	bearer, cookie, guest := median(rates[byBearer]), median(rates[byCookie]), median(rates[byNobody])
	ratio := widest(rates[byBearer], rates[byCookie], rates[byNobody])
	b.add(row{
		work: "bearer against cookie against no sign-in", bar: "within 10 % of each other",
		measured: fmt.Sprintf("%s, %s, %s requests/s", thousands(bearer), thousands(cookie), thousands(guest)),
		ratio:    ratio, pass: ratio >= 1-signInBar,
		// Longer headers cost a server something that looks at none of them too.
		notes: []string{fmt.Sprintf("`respond` with the same requests: %s, %s, %s requests/s",
			thousands(median(plain[byBearer])), thousands(median(plain[byCookie])), thousands(median(plain[byNobody]))),
			fmt.Sprintf("server CPU of a request %.1f, %.1f, %.1f µs; of `respond` %.1f, %.1f, %.1f µs",
				median(costs[byBearer]), median(costs[byCookie]), median(costs[byNobody]),
				median(plainCosts[byBearer]), median(plainCosts[byCookie]), median(plainCosts[byNobody]))},
	})
	return nil
}

// widest is the lowest ratio between two of the ways, each the median of the ratios of the
// turns: the two of a turn were measured within a second or two.
func widest(ways ...[]float64) float64 {
	lowest := 1.0
	for i, one := range ways {
		for j, other := range ways {
			if i == j {
				continue
			}
			ratios := make([]float64, len(one))
			for n := range one {
				ratios[n] = one[n] / other[n]
			}
			lowest = min(lowest, median(ratios))
		}
	}
	return lowest
}
