package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn speaks HTTP/1.1 on one kept-alive connection. It is our own, and lean, because
// the client runs on the same cores as the server: what it costs is taken from both
// sides of a ratio, and the less that is the more the ratio says about the server.
type conn struct {
	net    net.Conn
	reader *bufio.Reader
	// Of the last answer.
	status int
	header []byte // all lines, as they came
	body   []byte // decoded
	size   int    // bytes on the wire, chunk framing left out
}

// answerTimeout is how long any answer may take. Feeds set their own deadlines.
const answerTimeout = 60 * time.Second

var errAnswer = errors.New("malformed answer")

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &conn{net: c, reader: bufio.NewReaderSize(c, 4<<10)}, nil
}

func (c *conn) close() { _ = c.net.Close() }

// do sends a request as it is and reads the whole answer. What it returns is valid until
// the next one.
func (c *conn) do(request []byte) error {
	if err := c.send(request); err != nil {
		return err
	}
	chunked, length, err := c.readHeader()
	if err != nil {
		return err
	}
	return c.readBody(chunked, length)
}

func (c *conn) send(request []byte) error {
	if err := c.net.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if _, err := c.net.Write(request); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

var (
	contentLength = []byte("Content-Length: ")
	chunkedHeader = []byte("Transfer-Encoding: chunked")
)

func (c *conn) readHeader() (chunked bool, length int, err error) {
	c.status, c.header, c.size = 0, c.header[:0], 0
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return false, 0, fmt.Errorf("reading an answer: %w", err)
		}
		c.size += len(line)
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case c.status == 0:
			if len(line) < 12 {
				return false, 0, errAnswer
			}
			if c.status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return false, 0, errAnswer
			}
		case len(line) == 0:
			return chunked, length, nil
		case bytes.HasPrefix(line, contentLength):
			if length, err = strconv.Atoi(string(line[len(contentLength):])); err != nil {
				return false, 0, errAnswer
			}
		case bytes.Equal(line, chunkedHeader):
			chunked = true
		}
		c.header = append(append(c.header, line...), '\n')
	}
}

func (c *conn) readBody(chunked bool, length int) error {
	c.body = c.body[:0]
	if !chunked {
		return c.take(length)
	}
	for {
		n, err := c.chunkSize()
		if err != nil {
			return err
		}
		if err := c.take(n); err != nil {
			return err
		}
		if _, err := c.reader.ReadSlice('\n'); err != nil { // the line end of a chunk, or of all
			return fmt.Errorf("reading an answer: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

func (c *conn) chunkSize() (int, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("reading an answer: %w", err)
	}
	n, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
	if err != nil {
		return 0, errAnswer
	}
	return int(n), nil
}

// take appends n bytes to the body.
func (c *conn) take(n int) error {
	at := len(c.body)
	if cap(c.body)-at < n {
		c.body = append(make([]byte, 0, 2*(at+n)), c.body...)
	}
	c.body = c.body[:at+n]
	c.size += n
	if _, err := io.ReadFull(c.reader, c.body[at:]); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	return nil
}

// headerValue is the first value of a header of the last answer, "" without one.
func (c *conn) headerValue(name string) string {
	for line := range bytes.Lines(c.header) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+": ")); ok {
			return string(bytes.TrimSpace(rest))
		}
	}
	return ""
}

// unexpected is the error of an answer that is not what a measurement needs.
func (c *conn) unexpected() error {
	return fmt.Errorf("%w: %d %.200s", errAnswer, c.status, bytes.TrimSpace(c.body))
}
