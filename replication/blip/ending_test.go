package blip

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// waiters start everything that can wait on a connection whose peer does nothing.
func waiters(t *testing.T, p *peer) (body *endless, answers func() []error) {
	t.Helper()
	body = new(endless)
	came := make(chan error, 100)
	begun, n := 0, 0
	start := func(m *Message) {
		n++
		require.NoError(t, p.conn.Start(t.Context(), m, func(_ *Response, err error) { came <- err }))
	}
	background := func(f func() error) {
		n++
		begun++
		go func() { came <- f() }()
	}
	start(&Message{}) // sent
	p.next()
	start(&Message{Stream: body}) // sent in part
	p.next()
	background(func() error {
		_, err := p.conn.Call(t.Context(), &Message{Stream: body})
		return err
	})
	background(func() error {
		_, err := p.conn.CallTo(t.Context(), &Message{Stream: body}, newGate())
		return err
	})
	synctest.Wait()
	start(&Message{Body: make([]byte, 2<<20)}) // never begun
	background(func() error { return p.conn.Send(t.Context(), &Message{Stream: body}) })
	background(func() error { return p.conn.Start(t.Context(), &Message{Stream: body}, nil) })
	synctest.Wait()
	return body, func() []error {
		var all []error
		for range n {
			all = append(all, <-came)
		}
		synctest.Wait()
		require.Empty(t, came, "nobody is answered twice")
		return all
	}
}

func TestWhoWaitsIsToldOfTheEndOnce(t *testing.T) {
	t.Parallel()
	reason := errors.New("reason of the end")
	for name, end := range map[string]func(*peer){
		"dropped":           func(p *peer) { p.conn.Drop(reason) },
		"closed":            func(p *peer) { p.conn.Close(4001, "come back") },
		"closed by peer":    func(p *peer) { close(p.ws.in) },
		"lost":              func(p *peer) { p.ws.close(0) },
		"protocol error":    func(p *peer) { p.raw(nil) },
		"not read any more": func(*peer) { time.Sleep(time.Hour) },
		"dropped and closed": func(p *peer) {
			go p.conn.Drop(reason)
			p.conn.Close(4001, "")
			p.conn.Drop(reason)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t, Options{})
				body, answers := waiters(t, p)
				end(p)
				for _, err := range answers() {
					require.ErrorIs(t, err, ErrClosed)
				}
				_ = p.ended()
				require.EqualValues(t, 5, body.closed.Load())
				require.ErrorIs(t, p.conn.Send(t.Context(), &Message{Stream: body}), ErrClosed)
				require.EqualValues(t, 6, body.closed.Load())
			})
		})
	}
}

func TestRunSaysWhyTheConnectionEnded(t *testing.T) {
	t.Parallel()
	reason := errors.New("reason of the end")
	p := newPeer(t, Options{})
	p.conn.Drop(reason)
	require.ErrorIs(t, p.ended(), reason)
	require.Zero(t, p.ws.code)

	p = newPeer(t, Options{})
	p.conn.Close(4001, "come back")
	require.ErrorIs(t, p.ended(), ErrClosed)
	require.EqualValues(t, 4001, p.ws.code)

	p = newPeer(t, Options{})
	close(p.ws.in)
	require.NoError(t, p.ended())

	ws := &testSocket{in: make(chan []byte), out: make(chan []byte), closed: make(chan struct{})}
	c := newConn(ws, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	require.ErrorIs(t, c.Run(ctx), reason)
	<-c.Done()
}

func TestAConnectionMayEndBeforeItRuns(t *testing.T) {
	t.Parallel()
	ws := &testSocket{in: make(chan []byte), out: make(chan []byte), closed: make(chan struct{})}
	c := newConn(ws, Options{})
	require.NoError(t, c.Send(t.Context(), &Message{}))
	c.Drop(ErrLimit)
	require.ErrorIs(t, c.Run(t.Context()), ErrLimit)
}

func TestAnswersAfterTheEndAreForgotten(t *testing.T) {
	t.Parallel()
	requests := make(chan *Request, 1)
	p := newPeer(t, Options{Handle: func(r *Request) { requests <- r }})
	p.send(1, 0, message(""))
	r := <-requests
	p.conn.Drop(ErrClosed)
	body := new(endless)
	r.Reply(&Message{Stream: body})
	r.Reply(&Message{Stream: body})
	require.EqualValues(t, 2, body.closed.Load())
}

func TestOnlyTheFirstAnswerIsSentAndNoneToWhatWantsNone(t *testing.T) {
	t.Parallel()
	body := new(endless)
	p := newPeer(t, Options{Handle: func(r *Request) {
		if r.NoReply {
			r.Reply(&Message{Stream: body})
			r.Refuse("HTTP", 500, "")
			return
		}
		r.Reply(&Message{Body: []byte("first")})
		r.Refuse("HTTP", 500, "")
		r.Reply(&Message{Stream: body})
	}})
	p.send(1, flagNoReply, message(""))
	p.send(2, 0, message(""))
	s, _, text := p.nextMessage()
	require.EqualValues(t, 2, s.number)
	require.Equal(t, "first", text)
	p.send(3, 0, message(""))
	require.EqualValues(t, 3, p.next().number)
	require.EqualValues(t, 3, body.closed.Load())
	require.Zero(t, p.conn.buffered.Load()/messageCost/4)
}

// realPeer is a WebSocket whose other end is a Conn.
func realPeer(t *testing.T, o Options) (*websocket.Conn, *Conn, chan error) {
	t.Helper()
	came, run := make(chan *Conn, 1), make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil, o)
		if err != nil {
			t.Error(err)
			return
		}
		came <- c
		go func() { run <- c.Run(context.Background()) }()
	}))
	ws, _, err := websocket.Dial(t.Context(), s.URL, nil)
	require.NoError(t, err)
	c := <-came
	t.Cleanup(func() {
		c.Drop(ErrClosed)
		<-c.Done()
		_ = ws.CloseNow()
		s.Close()
	})
	return ws, c, run
}

func TestCloseSendsACloseFrameAndDropSendsNone(t *testing.T) {
	t.Parallel()
	ws, c, run := realPeer(t, Options{Handle: echo})
	go c.Close(4001, "come back")
	_, _, err := ws.Read(t.Context())
	require.Equal(t, websocket.StatusCode(4001), websocket.CloseStatus(err))
	require.ErrorIs(t, <-run, ErrClosed)

	ws, c, run = realPeer(t, Options{Handle: echo})
	go c.Drop(ErrLimit)
	_, _, err = ws.Read(t.Context())
	require.Equal(t, websocket.StatusCode(-1), websocket.CloseStatus(err))
	require.Error(t, err)
	require.ErrorIs(t, <-run, ErrLimit)
}

func TestErrorsOfThePeerCloseWith1002And1009(t *testing.T) {
	t.Parallel()
	var e encoder
	longProperties, _, err := e.encode(nil, 1, flagMore, []byte("\xff\xff\x7f"))
	require.NoError(t, err)
	for _, c := range []struct {
		kind   websocket.MessageType
		sent   string
		code   websocket.StatusCode
		reason string
		is     error
	}{
		{websocket.MessageBinary, "\x02\x00\x00", websocket.StatusProtocolError, "protocol error", ErrProtocol},
		{websocket.MessageBinary, string(longProperties), websocket.StatusMessageTooBig, "limit exceeded", ErrLimit},
		{websocket.MessageBinary, strings.Repeat("x", readLimit+1), websocket.StatusMessageTooBig, "", ErrLimit},
	} {
		ws, _, run := realPeer(t, Options{Handle: echo})
		require.NoError(t, ws.Write(t.Context(), c.kind, []byte(c.sent)))
		_, _, err := ws.Read(t.Context())
		var closed websocket.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, c.code, closed.Code)
		if c.reason != "" {
			require.Equal(t, c.reason, closed.Reason)
		}
		require.ErrorIs(t, <-run, c.is)
	}
}

func TestTextIsIgnored(t *testing.T) {
	t.Parallel()
	ws, _, _ := realPeer(t, Options{Handle: echo})
	require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte("hello")))
	var e encoder
	b, _, err := e.encode(nil, 1, 0, message("body"))
	require.NoError(t, err)
	require.NoError(t, ws.Write(t.Context(), websocket.MessageBinary, b))
	_, got, err := ws.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, byte(typeAnswer), got[1])
}

func TestTheReasonOfThePeersCloseIsNotRepeated(t *testing.T) {
	t.Parallel()
	for code, normal := range map[websocket.StatusCode]bool{1000: true, 1001: true, 4002: false} {
		ws, _, run := realPeer(t, Options{Handle: echo})
		require.NoError(t, ws.Close(code, "secret"))
		err := <-run
		if normal {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, code, websocket.CloseStatus(err))
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestCloseIsOverAfterFiveSecondsWhateverThePeerDoes(t *testing.T) {
	t.Parallel()
	for name, misbehave := range map[string]func(net.Conn){
		"silent": func(net.Conn) {},
		"sends on": func(conn net.Conn) {
			for err := error(nil); err == nil; {
				time.Sleep(time.Millisecond) // else the time never comes that synctest waits for
				_, err = conn.Write([]byte("\x82\x84\x00\x00\x00\x00\x01\x07\x00\x00"))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				conn, c, run := pipePeer(t, Options{Handle: echo})
				defer conn.Close()
				var wait sync.WaitGroup
				wait.Go(func() { misbehave(conn) })
				go readAway(conn)
				begin := time.Now()
				c.Close(4001, "")
				require.ErrorIs(t, <-run, ErrClosed)
				require.Equal(t, closeTimeout, time.Since(begin).Truncate(time.Second))
				wait.Wait()
			})
		})
	}
}
