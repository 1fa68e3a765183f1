package caddysync

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	// drawEvery is how often progress is shown on a terminal, sayEvery elsewhere, where each
	// time is a line.
	drawEvery = 200 * time.Millisecond
	sayEvery  = 10 * time.Second
)

// terminal is where a command tells what it does: results go to out, progress beside it.
type terminal struct {
	out, progress io.Writer
	draws         bool
	every         time.Duration
	last          time.Time
	width         int // of what is drawn
	// failed is why a line of the result could not be written.
	failed error
}

func newTerminal(out, progress *os.File) *terminal {
	t := &terminal{out: out, progress: progress, every: sayEvery, last: time.Now()}
	if info, err := progress.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" {
		t.draws, t.every = true, drawEvery
	}
	return t
}

// tell shows how far something is, now and then.
func (t *terminal) tell(format string, args ...any) {
	if now := time.Now(); now.Sub(t.last) >= t.every {
		t.last = now
		t.show(fmt.Sprintf(format, args...))
	}
}

// barWidth is how many characters a full bar has.
const barWidth = 30

// bar shows how much of something is done, now and then: as a bar on a terminal. total 0 is not known.
func (t *terminal) bar(what string, done, total uint64) {
	switch {
	case total == 0:
		t.tell("%s: %d", what, done)
	case !t.draws:
		t.tell("%s: %d of %d (%d %%)", what, done, total, done*100/total)
	default:
		filled := int(barWidth * min(done, total) / total)
		t.tell("%s [%s%s] %d of %d (%d %%)", what, strings.Repeat("#", filled), strings.Repeat("·", barWidth-filled), done, total, done*100/total)
	}
}

func (t *terminal) show(text string) {
	if !t.draws {
		fmt.Fprintln(t.progress, text)
		return
	}
	fmt.Fprintf(t.progress, "\r%s%s", text, strings.Repeat(" ", max(t.width-len(text), 0)))
	t.width = len(text)
}

// say writes a line of the result.
func (t *terminal) say(format string, args ...any) {
	t.clear()
	if _, err := fmt.Fprintf(t.out, format+"\n", args...); err != nil {
		t.failed = fmt.Errorf("writing the result: %w", err)
	}
}

// clear takes away what was drawn.
func (t *terminal) clear() {
	if t.width > 0 {
		fmt.Fprintf(t.progress, "\r%s\r", strings.Repeat(" ", t.width))
		t.width = 0
	}
}
