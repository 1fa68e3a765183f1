package syncack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Flags are what strace is run with to make what Parse reads: -yy names the files and
// connections of descriptors, -s keeps enough of a buffer for a request's first line.
func Flags(output string) []string {
	return []string{
		"-f", "-yy", "-s", "256", "-e", "signal=none",
		"-e", "trace=msync,fsync,fdatasync,sync_file_range,mmap,mremap,munmap,read,write,writev,recvfrom,sendto",
		"-o", output,
	}
}

// Call is a system call. Began and Ended order the calls of all threads: strace stops a
// thread at both ends of a call and writes them down in the order in which they came.
type Call struct {
	Thread       int
	Name         string
	Args         string
	Result       string
	Began, Ended int
}

// errFormat is a line that strace does not write.
var errFormat = errors.New("not a line of strace's output")

var (
	linePattern    = regexp.MustCompile(`^(\d+) +(.*)$`)
	beginPattern   = regexp.MustCompile(`^([a-z_0-9]+)\((.*)$`)
	resumedPattern = regexp.MustCompile(`^<\.\.\. ([a-z_0-9]+) resumed>(.*)$`)
)

// Parse reads strace's output. A call that never ended, as the last ones of a process
// that was killed, has the Ended of no moment: 0.
func Parse(r io.Reader) ([]Call, error) {
	var calls []Call
	open := map[int]int{} // thread → its call that has not ended
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	moment := 0
	for lines.Scan() {
		moment++
		match := linePattern.FindStringSubmatch(lines.Text())
		if match == nil {
			return nil, fmt.Errorf("line %d: %w", moment, errFormat)
		}
		thread, _ := strconv.Atoi(match[1]) // digits
		text := match[2]
		if strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
			continue // a thread's end, a signal
		}
		if resumed := resumedPattern.FindStringSubmatch(text); resumed != nil {
			i, ok := open[thread]
			if !ok || calls[i].Name != resumed[1] {
				return nil, fmt.Errorf("line %d: %w: nothing to resume", moment, errFormat)
			}
			delete(open, thread)
			calls[i].finish(calls[i].Args+resumed[2], moment)
			continue
		}
		begin := beginPattern.FindStringSubmatch(text)
		if begin == nil {
			continue // strace's own remarks
		}
		call := Call{Thread: thread, Name: begin[1], Began: moment}
		if rest, unfinished := strings.CutSuffix(begin[2], " <unfinished ...>"); unfinished {
			call.Args = rest
			open[thread] = len(calls)
		} else {
			call.finish(begin[2], moment)
		}
		calls = append(calls, call)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading strace's output: %w", err)
	}
	return calls, nil
}

// finish splits the arguments from the result, which follows the last ") = ".
func (c *Call) finish(text string, moment int) {
	c.Ended = moment
	c.Args = text
	i := strings.LastIndex(text, " = ")
	if i < 0 {
		return
	}
	c.Result = text[i+3:]
	c.Args = strings.TrimSuffix(strings.TrimRight(text[:i], " "), ")")
}

// ok reports whether the call succeeded.
func (c Call) ok() bool {
	return c.Ended != 0 && c.Result != "" && c.Result[0] != '-' && c.Result[0] != '?'
}

var descriptorPattern = regexp.MustCompile(`^(-?\d+)<(.*?)>(, |$)`)

// target is what the call's descriptor stands for: a file's path, or a connection.
func (c Call) target() string { return descriptorOf(c.Args) }

func descriptorOf(args string) string {
	// A connection has a > of its own: 11<TCP:[127.0.0.1:1->127.0.0.1:2]>.
	if match := descriptorPattern.FindStringSubmatch(args); match != nil {
		return match[2]
	}
	return ""
}

// buffer is the text that was read or written, as far as strace shows it.
func (c Call) buffer() string {
	_, rest, ok := strings.Cut(c.Args, ">, ")
	if !ok {
		return ""
	}
	rest = strings.TrimPrefix(rest, "[{iov_base=")
	if !strings.HasPrefix(rest, `"`) {
		return ""
	}
	return rest[1:]
}

// text is what was read, as far as strace shows it, in its escapes.
func (c Call) text() string {
	if !c.ok() {
		return ""
	}
	text := c.buffer()
	if i := strings.LastIndexByte(text, '"'); i >= 0 {
		return text[:i]
	}
	return ""
}

// number is the n-th argument as a number.
func (c Call) number(n int) uint64 {
	args := strings.Split(c.Args, ", ")
	if n >= len(args) {
		return 0
	}
	value, _ := strconv.ParseUint(args[n], 0, 64) // 0 if it is none, such as NULL
	return value
}
