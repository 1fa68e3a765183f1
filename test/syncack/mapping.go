package syncack

import (
	"strconv"
	"strings"
)

// mapping is a file's place in memory.
type mapping struct {
	start, end uint64
	path       string
}

// mappings follow the address space, so that a msync can be told to belong to a file.
type mappings []mapping

// apply takes over what an mmap, mremap or munmap did.
func (m *mappings) apply(c Call) {
	if !c.ok() {
		return
	}
	switch c.Name {
	case "mmap":
		// mmap(addr, length, prot, flags, fd<path>, offset) = address
		at, err := strconv.ParseUint(c.Result, 0, 64)
		if err != nil {
			return
		}
		m.remove(at, at+c.number(1))
		if path := mappedFile(c.Args); path != "" {
			*m = append(*m, mapping{at, at + c.number(1), path})
		}
	case "munmap":
		m.remove(c.number(0), c.number(0)+c.number(1))
	case "mremap":
		// mremap(old, old length, new length, flags) = address
		at, err := strconv.ParseUint(c.Result, 0, 64)
		if err != nil {
			return
		}
		path := m.file(c.number(0))
		m.remove(c.number(0), c.number(0)+c.number(1))
		if path != "" {
			*m = append(*m, mapping{at, at + c.number(2), path})
		}
	}
}

func mappedFile(args string) string {
	fields := strings.SplitN(args, ", ", 5)
	if len(fields) < 5 || !strings.Contains(fields[3], "MAP_SHARED") {
		return ""
	}
	return descriptorOf(fields[4])
}

// remove forgets the mappings that begin in a range: nobody here unmaps parts.
func (m *mappings) remove(start, end uint64) {
	kept := (*m)[:0]
	for _, one := range *m {
		if one.start < start || one.start >= end {
			kept = append(kept, one)
		}
	}
	*m = kept
}

// file is the path of what is mapped at an address.
func (m *mappings) file(address uint64) string {
	for _, one := range *m {
		if address >= one.start && address < one.end {
			return one.path
		}
	}
	return ""
}
