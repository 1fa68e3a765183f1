package blip

import "errors"

var (
	// ErrClosed: the connection has ended.
	ErrClosed = errors.New("the connection has ended")
	// ErrProtocol: the peer sent what is no frame or message, or not in its turn.
	ErrProtocol = errors.New("BLIP protocol error")
	// ErrLimit: the peer sent more than it may.
	ErrLimit = errors.New("BLIP limit exceeded")
)
