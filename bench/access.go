package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	roomCount = 10_000 // channels that the documents are spread over
	roomBar   = 1.25   // what reading one of them may cost against a database that has no other
	crowdRole = "crowd"
	// crowdChannels is how many channels each of the crowd has by itself.
	crowdChannels = 50
	crowdTold     = time.Second
	crowdWrite    = 8 // connections that write meanwhile
	crowdTime     = 10 * time.Second
	slowerBar     = 2.0
)

// accessRows measure what depends on who may see what, on a server of its own.
func (b *bench) accessRows(ctx context.Context) (err error) {
	if err := b.syncFunctionRow(ctx); err != nil {
		return err
	}
	o := &bench{options: b.options, issuer: b.issuer, memory: measureMemory, respondBody: b.respondBody}
	if o.respondPort, err = harness.FreePort(); err != nil {
		return err
	}
	if o.server, err = harness.Start(ctx, harness.Options{Settings: o.accessSettings(), Ready: time.Minute}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.server.Close()) }()
	if err := o.roomRow(ctx); err != nil {
		return err
	}
	err = o.crowdRow(ctx)
	b.table = append(b.table, o.table...)
	return err
}

// accessSettings are two databases whose documents say which channels they are in, and
// people whose tokens say which they have.
func (b *bench) accessSettings() harness.Settings {
	database := "oidc bench\naccess channels\nsession {\nlifetime 12h\n}\n" + unlimited
	return harness.Settings{
		NoIDP: true,
		Store: "memory " + b.memory + "\nmin_free 64MiB",
		Sync: fmt.Sprintf("oidc bench {\nissuer %s\nclient_id %s\nusername_claim sub\nroles_claim roles\nchannels_claim channels\nregister\n}\n",
			b.issuer.url, clientID) + "database room {\n" + database + "\n}\n",
		Database:  database,
		Databases: "notes room",
	}
}

func roomOf(i int) string { return fmt.Sprintf("room%05d", i%roomCount) }

// fillRooms writes documents, each in a room. Their IDs begin with prefix.
func (b *bench) fillRooms(database, prefix string, n int, room func(int) string) error {
	return each(b.address(), fillConns, (n+fillBatch-1)/fillBatch, func(c *conn, batch int) error {
		body := []byte(`{"docs":[`)
		from, to := batch*fillBatch, min((batch+1)*fillBatch, n)
		for i := from; i < to; i++ {
			if i > from {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, `{"_id":"%s-%s","channels":[%q],`, prefix, documentID(i), room(i))
			body = append(appendMembers(body, i, bodySize-40), '}')
		}
		request := b.people[0].bearer(head(nil, http.MethodPost, "/"+database+"/_bulk_docs"))
		if err := c.do(withBody(request, append(body, "]}"...))); err != nil {
			return err
		}
		if c.status != http.StatusCreated || strings.Count(string(c.body), `"rev"`) != to-from {
			return c.unexpected()
		}
		return nil
	})
}

// member makes a token that says what its user has.
func (b *bench) member(name string, claims map[string]any) (person, error) {
	token, err := b.issuer.tokenWith(name, claims)
	return person{token: token}, err
}

// roomRow compares reading a channel of a database of many with reading the same channel
// where it is all there is.
func (b *bench) roomRow(ctx context.Context) error {
	writer, err := b.member("writer", nil)
	if err != nil {
		return err
	}
	b.people = []person{writer}
	began := time.Now()
	if err := b.fillRooms("notes", "n", b.docs, roomOf); err != nil {
		return err
	}
	if err := b.fillRooms("room", "r", (b.docs+roomCount-1)/roomCount, func(int) string { return roomOf(42) }); err != nil {
		return err
	}
	b.say("loaded %s documents in %s channels in %s", thousands(float64(b.docs)), thousands(roomCount), time.Since(began).Round(time.Second))
	reader, err := b.member("reader", map[string]any{"channels": []string{roomOf(42)}})
	if err != nil {
		return err
	}
	costs := map[string][]float64{}
	for round := range b.rounds * 3 {
		for _, database := range []string{"notes", "room"} {
			_, cost, err := b.costed(func() (measure, error) {
				return drive(ctx, b.address(), b.round/6, []exchange{&pageReader{reader: &reader, path: "/" + database + "/_changes"}})
			})
			if err != nil {
				return fmt.Errorf("reading %s: %w", database, err)
			}
			if round > 0 { // the first finds nothing in any cache
				costs[database] = append(costs[database], cost)
			}
		}
	}
	all, one := median(costs["notes"]), median(costs["room"])
	b.add(row{
		work: fmt.Sprintf("`_changes` of a user of one of %s channels, %s documents", thousands(roomCount), thousands(float64(b.docs))),
		bar:  "costs what the channel holds (≤ 125 % of a database with nothing else)", ratio: all / one, pass: all <= one*roomBar,
		measured: fmt.Sprintf("%.0f against %.0f µs of server CPU for %d rows", all, one, (b.docs+roomCount-1)/roomCount),
	})
	return nil
}

// pageReader reads a user's whole feed over and over.
type pageReader struct {
	reader *person
	path   string
	rows   int
}

func (p *pageReader) request(b []byte) []byte {
	return append(p.reader.bearer(head(b, http.MethodGet, p.path)), "\r\n"...)
}

func (p *pageReader) answer(c *conn) error {
	rows := strings.Count(string(c.body), `{"seq":`)
	if c.status != http.StatusOK || rows == 0 || p.rows != 0 && p.rows != rows {
		return c.unexpected()
	}
	p.rows = rows
	return nil
}

// crowdRow gives a role of many members with open feeds a channel of many documents, and takes
// it again, while others write.
func (b *bench) crowdRow(ctx context.Context) error {
	big := min(100_000, max(1000, b.docs/10))
	if err := b.fillRooms("room", "big", big, func(int) string { return "big" }); err != nil {
		return err
	}
	if err := b.putRole(ctx); err != nil {
		return err
	}
	crowd, err := b.openCrowd(ctx)
	if err != nil {
		return err
	}
	defer crowd.close()
	if err := b.toldRow(crowd); err != nil {
		return err
	}
	if err := b.profileHeap(ctx, "crowd"); err != nil {
		return err
	}
	if err := b.merged(ctx); err != nil {
		return err
	}
	if err := b.calm(ctx); err != nil {
		return err
	}
	idle, err := b.crowdWrites(ctx, "idle", crowdTime, func() error { return nil })
	if err != nil {
		return err
	}
	for _, what := range []string{"gains", "loses"} {
		if err := b.merged(ctx); err != nil {
			return err
		}
		if err := b.calm(ctx); err != nil {
			return err
		}
		channels := []string{}
		if what == "gains" {
			channels = append(channels, "big")
		}
		busy, err := b.crowdWrites(ctx, what, crowdTime, func() error {
			crowd.begin()
			return b.putRole(ctx, channels...)
		})
		if err != nil {
			return err
		}
		firsts := crowd.firsts()
		told := "nobody"
		last := time.Hour
		if len(firsts) > 0 {
			last = firsts[len(firsts)-1]
			told = fmt.Sprintf("half within %s, the last of %d of %d within %s", firsts[len(firsts)/2].Round(time.Millisecond),
				len(firsts), len(crowd.feeds), last.Round(time.Millisecond))
		}
		b.add(row{
			work: fmt.Sprintf("a role of %s members with open feeds %s a channel of %s documents: writes", thousands(float64(len(crowd.feeds))), what, thousands(float64(big))),
			bar:  "p99 at most doubles", ratio: busy.p99.Seconds() / idle.p99.Seconds(), pass: busy.p99.Seconds() <= slowerBar*idle.p99.Seconds(),
			measured: fmt.Sprintf("%s against %s", busy.p99.Round(100*time.Microsecond), idle.p99.Round(100*time.Microsecond)),
			notes:    []string{fmt.Sprintf("%s against %s writes/s of %d connections; %s rows sent meanwhile", thousands(busy.perSecond()), thousands(idle.perSecond()), crowdWrite, thousands(float64(crowd.rows.Load())))},
		})
		b.add(row{
			work: fmt.Sprintf("a role of %s members with open feeds %s a channel: first rows", thousands(float64(len(crowd.feeds))), what),
			bar:  "within 1 s", measured: told, pass: len(firsts) == len(crowd.feeds) && last <= crowdTold,
		})
	}
	return nil
}

// toldRow writes what all of the crowd see.
func (b *bench) toldRow(c *crowd) error {
	writer, err := dial(b.address())
	if err != nil {
		return err
	}
	defer writer.close()
	var all []time.Duration
	for n := range b.rounds {
		c.begin()
		body := appendMembers([]byte(`{"channels":["everyone"],`), n, bodySize-40)
		request := withBody(b.people[0].bearer(head(nil, http.MethodPut, fmt.Sprintf("/room/told%d", n))), append(body, '}'))
		if err := writer.do(request); err != nil {
			return err
		}
		if writer.status != http.StatusCreated {
			return writer.unexpected()
		}
		for end := time.Now().Add(30 * time.Second); c.rows.Load() < int64(len(c.feeds)); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("%d of %d feeds were told: %w", c.rows.Load(), len(c.feeds), context.DeadlineExceeded)
			}
		}
		firsts := c.firsts()
		all = append(all, firsts[len(firsts)-1])
	}
	took := median(all)
	b.add(row{
		work: fmt.Sprintf("one write to %s continuous feeds of users with %d channels each", thousands(float64(len(c.feeds))), crowdChannels),
		bar:  "all told within 1 s", measured: took.Round(time.Millisecond).String(), pass: took <= toldBar,
	})
	return nil
}

// putRole makes or changes the role on the administrator's site.
func (b *bench) putRole(ctx context.Context, channels ...string) error {
	// null would leave the role as it is
	body, err := json.Marshal(map[string]any{"admin_channels": append([]string{}, channels...)})
	if err != nil {
		return fmt.Errorf("writing a role: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, b.server.AdminURL+"/room/_role/"+url.PathEscape(crowdRole), strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("writing a role: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("writing a role: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("writing a role: %w: %s", errAnswer, res.Status)
	}
	return nil
}

// roomWriter writes new documents into a channel of its own.
type roomWriter struct {
	writer *person
	number int
	n      int
}

func (w *roomWriter) request(b []byte) []byte {
	w.n++
	path := fmt.Sprintf("/room/w-%d-%d-%d", w.number, time.Now().UnixNano(), w.n)
	body := appendMembers([]byte(`{"channels":["elsewhere"],`), w.n, bodySize-40)
	return withBody(w.writer.bearer(head(b, http.MethodPut, path)), append(body, '}'))
}

func (w *roomWriter) answer(c *conn) error {
	if c.status != http.StatusCreated {
		return c.unexpected()
	}
	return nil
}

// crowd are the open feeds of a role's members.
type crowd struct {
	feeds []*crowdFeed
	began atomic.Int64 // Unix nanoseconds
	rows  atomic.Int64
	wait  sync.WaitGroup
}

type crowdFeed struct {
	conn  *conn
	first atomic.Int64 // nanoseconds since began, 0: none
}

// openCrowd signs the members in and opens a feed for each.
func (b *bench) openCrowd(ctx context.Context) (*crowd, error) {
	c := &crowd{feeds: make([]*crowdFeed, b.feeds)}
	next := make(chan int)
	failures := make(chan error, openers)
	var opening sync.WaitGroup
	for range openers {
		opening.Go(func() {
			for i := range next {
				f, err := b.openCrowdFeed(i)
				if err != nil {
					failures <- err
					return
				}
				c.feeds[i] = f
			}
		})
	}
	for i := range c.feeds {
		select {
		case next <- i:
		case err := <-failures:
			close(next)
			return nil, fmt.Errorf("opening feeds: %w", err)
		case <-ctx.Done():
			close(next)
			return nil, ctx.Err()
		}
	}
	close(next)
	opening.Wait()
	for _, f := range c.feeds {
		c.wait.Go(func() { f.read(c) })
	}
	return c, nil
}

func (b *bench) openCrowdFeed(i int) (*crowdFeed, error) {
	channels := make([]string, crowdChannels-1, crowdChannels)
	for n := range channels {
		channels[n] = fmt.Sprintf("c%d", (i+n*n)%roomCount)
	}
	p, err := b.member(fmt.Sprintf("member%05d", i), map[string]any{
		"roles": []string{crowdRole}, "channels": append(channels, "everyone"),
	})
	if err != nil {
		return nil, err
	}
	raw, err := dial(b.address())
	if err != nil {
		return nil, err
	}
	raw.reader = bufio.NewReaderSize(raw.net, 4<<10)
	request := p.bearer(head(nil, http.MethodGet, "/room/_changes?feed=continuous&since=now&revocations=true&heartbeat=60000"))
	if err := raw.send(append(request, "\r\n"...)); err != nil {
		return nil, err
	}
	if err := raw.net.SetDeadline(time.Now().Add(feedPatient)); err != nil {
		return nil, fmt.Errorf("opening a feed: %w", err)
	}
	if _, _, err := raw.readHeader(); err != nil {
		return nil, err
	}
	if raw.status != http.StatusOK {
		return nil, fmt.Errorf("%w: %d to a feed", errAnswer, raw.status)
	}
	return &crowdFeed{conn: raw}, nil
}

// read counts rows until the connection is closed.
func (f *crowdFeed) read(c *crowd) {
	for {
		line, err := f.conn.reader.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
		if !strings.HasPrefix(string(line), `{"seq":`) {
			continue
		}
		c.rows.Add(1)
		if f.first.Load() == 0 {
			f.first.Store(time.Now().UnixNano() - c.began.Load())
		}
	}
}

// begin counts the first rows from now on.
func (c *crowd) begin() {
	c.rows.Store(0)
	c.began.Store(time.Now().UnixNano())
	for _, f := range c.feeds {
		f.first.Store(0)
	}
}

// firsts are how long the feeds waited for their first row, in order.
func (c *crowd) firsts() (all []time.Duration) {
	for _, f := range c.feeds {
		if first := f.first.Load(); first > 0 {
			all = append(all, time.Duration(first))
		}
	}
	slices.Sort(all)
	return all
}

func (c *crowd) close() {
	for _, f := range c.feeds {
		f.conn.close()
	}
	c.wait.Wait()
}
