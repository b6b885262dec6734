package cli

import (
	"os"
	"runtime"
	"runtime/debug"
)

// spareProcessors are run queues of the Go scheduler beyond the processors that the program may use. The kernel shares the processors among
// all of them, so that a short request on the admin listener does not wait at the end of a queue of business when the service is at its
// capacity: on two processors, shared with the callers, livez under ten times the capacity took up to 30 ms instead of 89 ms.
const spareProcessors = 10

// garbagePercent is how much may be allocated between two collections, in percent of what is in use, which is little: a service keeps keys
// and connections. At Go's own 100 the collector ran twenty times a second under load, each time stopping everything for milliseconds.
const garbagePercent = 400

// keepHeadroom gives the program its spare queues and its room for garbage, unless GOMAXPROCS and GOGC say otherwise. GOMEMLIMIT bounds the
// memory all the same.
func keepHeadroom() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
