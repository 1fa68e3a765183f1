// Package cblite drives Couchbase Lite for C, a real one: the devices of test/lite are as strict as it is, this is
// it. It is not of this project, and not installed by it (README.md).
package cblite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// Variable names the environment variable that lists folders of Couchbase Lite for C.
const Variable = "COUCHBASE_LITE"

var firstNumber = regexp.MustCompile(`\d+`)

var errNoLibrary = errors.New("no libcblite in the folder")

// Library is one version of Couchbase Lite, and a driver built for it.
type Library struct {
	name, driver string
}

// String is the folder's name.
func (l Library) String() string { return l.name }

// Major is the first number of the folder's name, 0 if there is none.
func (l Library) Major() int {
	n, _ := strconv.Atoi(firstNumber.FindString(l.name))

	return n
}

// Before3 says that there is but the default collection, and that a device keeps what its user loses with a channel.
func (l Library) Before3() bool { return l.Major() != 0 && l.Major() < 3 }

// Libraries builds a driver into a folder for each that the environment lists; none if it lists none.
func Libraries(ctx context.Context, into string) ([]Library, error) {
	var all []Library

	for _, folder := range filepath.SplitList(os.Getenv(Variable)) {
		l, err := build(ctx, folder, into)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", Variable, folder, err)
		}

		all = append(all, l)
	}

	return all, nil
}

func build(ctx context.Context, folder, into string) (Library, error) {
	lib, err := libraryIn(folder)
	if err != nil {
		return Library{}, err
	}

	_, here, _, _ := runtime.Caller(0)
	l := Library{name: filepath.Base(folder), driver: filepath.Join(into, filepath.Base(folder))}

	cmd := exec.CommandContext(ctx, "cc", "-O1", "-D_GNU_SOURCE", "-o", l.driver, filepath.Join(filepath.Dir(here), "driver", "driver.c"),
		"-I"+filepath.Join(folder, "include"), "-L"+lib, "-lcblite", "-Wl,-rpath,"+lib)
	if said, err := cmd.CombinedOutput(); err != nil {
		return Library{}, fmt.Errorf("building the driver: %w\n%s", err, said)
	}

	return l, nil
}

// libraryIn finds the folder of the shared library; downloads have it in one named after the machine.
func libraryIn(folder string) (found string, err error) {
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), "libcblite.") && found == "" {
			found, err = filepath.Abs(filepath.Dir(path))
		}

		return err
	})
	if err == nil && found == "" {
		err = errNoLibrary
	}

	return found, err
}
