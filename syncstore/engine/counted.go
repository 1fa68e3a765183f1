package engine

// Counted is an engine that counts what it is asked, so that work which can wait notices others.
type Counted interface {
	// Asked returns how many views and updates were begun since the engine was opened. It costs
	// next to nothing.
	Asked() uint64
}
