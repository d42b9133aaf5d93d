package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// softLimit is what a node's process should stay below (design §11: 200 MiB resident).
const softLimit = 160 << 20

// tune fits the runtime to a node, unless the environment says otherwise.
func tune() {
	// A node's live memory is small (tens of MiB) and its rounds make much that is soon garbage: letting the heap grow to
	// five times what lives halves what collecting costs, and the limit keeps that below what a node may take
	// (docs/benchmarks.md).
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
		go leaveRoom()
	}
	// One thread beyond the cores: while all of them compute, nobody would look at the network for up to 10 ms, and an
	// urgent record is a dozen round trips to the database.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// leaveRoom raises the limit where more than half of it lives: a limit close to what lives would only make the
// collector run all the time.
func leaveRoom() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for limit := int64(softLimit); ; time.Sleep(time.Second / 4) {
		metrics.Read(live)
		if want := max(softLimit, 2*int64(live[0].Value.Uint64())); want != limit {
			limit = want
			debug.SetMemoryLimit(limit)
		}
	}
}
