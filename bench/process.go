package main

import "fmt"

// mebibytes writes a number of bytes.
func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
