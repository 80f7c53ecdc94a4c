//go:build !soak

package meter

// floodFlows is how many spoofed flows TestFlood makes: some more than fit, ten million of them take long.
const floodFlows = 2_000_000
