package blip

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// Dial connects to a server of BLIP. As with Accept there is never permessage-deflate, and small
// frames are written together while there are more. The response is that of the handshake, if
// there was one; its body need not be closed. Of the options given, HTTPClient is not used.
func Dial(ctx context.Context, url string, d *websocket.DialOptions, o Options) (*Conn, *http.Response, error) {
	options := websocket.DialOptions{}
	if d != nil {
		options = *d
	}
	var corked *cork // is set before there is an answer
	options.CompressionMode = websocket.CompressionDisabled
	options.HTTPClient = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			corked = &cork{Conn: conn}
			return corked, nil
		},
	}}
	ws, res, err := websocket.Dial(ctx, url, &options)
	if err != nil {
		return nil, res, err
	}
	return newCorked(ws, corked, o), res, nil
}

// newCorked makes a connection of a WebSocket of which the network connection is known: what ends
// reading is that it is closed. By a context each read of the WebSocket costs a registration.
func newCorked(ws *websocket.Conn, k *cork, o Options) *Conn {
	c := NewConn(ws, o)
	c.stopReading() // nobody uses that context
	c.cork, c.reading = k, context.Background()
	c.stopReading = func() { _ = k.Close() } // it is closed, whatever it says
	return c
}
