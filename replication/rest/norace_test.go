//go:build !race

package rest

// raced: the race detector watches, which takes time and memory of its own.
const raced = false
