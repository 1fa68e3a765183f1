package harness

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// spawner starts processes from one thread that never ends. The kernel kills them with
// that thread, so nothing outlives a test run that panics or is killed.
type spawner struct {
	once sync.Once
	work chan func()
}

var spawn = &spawner{work: make(chan func())} // one thread a process

func (s *spawner) start(cmd *exec.Cmd) error {
	s.once.Do(func() {
		go func() {
			runtime.LockOSThread()

			for job := range s.work {
				job()
			}
		}()
	})

	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error, 1)
	s.work <- func() { result <- cmd.Start() }

	return <-result
}
