package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// userHz is the unit of CPU times in /proc: 100 on every Linux that Go supports.
const userHz = 100

// CPUTime is what a process has spent in user and kernel, in steps of 10 ms.
func CPUTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading CPU time: %w", err)
	}
	// The second field is the name, in parentheses, and may have spaces.
	_, rest, _ := bytes.Cut(text, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, errors.New("reading CPU time: too few fields")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / userHz, errors.Join(err1, err2)
}

// Anonymous is the anonymous memory of a process that is resident, in bytes: what is its
// own, without the pages of files that it has mapped.
func Anonymous(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading memory: %w", err)
			}
			return n << 10, nil
		}
	}
	return 0, errors.New("reading memory: no RssAnon")
}

// PeakAnonymous samples a process's anonymous memory until stop and returns the highest.
func PeakAnonymous(pid int) (stop func() int64) {
	var (
		highest int64
		end     = make(chan struct{})
		done    sync.WaitGroup
	)
	done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, err := Anonymous(pid); err == nil {
				highest = max(highest, now)
			}
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	})
	return func() int64 {
		close(end)
		done.Wait()
		return highest
	}
}
