//go:build race

package script

// raceEnabled: the race detector makes built-in functions that copy much slow.
const raceEnabled = true
