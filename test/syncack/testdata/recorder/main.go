// Command recorder made ../recorded.trace: a server that syncs a mapped file before it
// answers, except when the path says otherwise.
//
//	go build -o /tmp/recorder . && strace <Flags> /tmp/recorder /tmp/store
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

func main() {
	if err := record(os.Args[1]); err != nil {
		panic(err)
	}
}

func record(dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, "00001.mem"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	const size = 1 << 16
	if err := file.Truncate(size); err != nil {
		return err
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	writes := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		memory[writes] = 1
		writes++
		if !strings.Contains(r.URL.Path, "stamp-9") {
			_ = unix.Msync(memory, unix.MS_SYNC)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"ok":true,"id":%q}`, r.URL.Path)
		if strings.Contains(r.URL.Path, "stamp-91") {
			// A sync that comes after the answer is none.
			_ = http.NewResponseController(w).Flush()
			_ = unix.Msync(memory, unix.MS_SYNC)
		}
	}))
	defer server.Close()
	for _, stamp := range []string{"stamp-00001", "stamp-00002", "stamp-90003", "stamp-00004", "stamp-91005"} {
		req, err := http.NewRequest(http.MethodPut, server.URL+"/notes/"+stamp, strings.NewReader(`{"a":1}`))
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	return nil
}
