//go:build race

package lite

// raced: the race detector watches, which takes time and memory of its own.
const raced = true
