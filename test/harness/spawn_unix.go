//go:build unix && !linux

package harness

import (
	"os/exec"
	"syscall"
)

type spawner struct{}

var spawn = &spawner{} // as on Linux

func (*spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	return cmd.Start()
}
