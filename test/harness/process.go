package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a child in its own process group.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // valid then
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := spawn.start(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}

	p := &process{cmd: cmd, done: make(chan struct{})}

	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()

	return p, nil
}

// signal reaches the whole group, so that a wrapper such as strace goes with its child.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrProcessDone) {
		return nil
	}

	return err
}

// end sends sig, then SIGKILL after grace, and waits.
func (p *process) end(sig syscall.Signal, grace time.Duration) error {
	if p.ended() {
		return p.err
	}

	if err := p.signal(sig); err != nil {
		return fmt.Errorf("signalling %d: %w", p.cmd.Process.Pid, err)
	}

	timer := time.NewTimer(grace)
	defer timer.Stop()

	select {
	case <-p.done:
		return p.err
	case <-timer.C:
	}

	if err := p.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %d: %w", p.cmd.Process.Pid, err)
	}

	<-p.done

	return fmt.Errorf("process %d did not end within %s of %s", p.cmd.Process.Pid, grace, sig)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
