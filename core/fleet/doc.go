// Package fleet shares the limits of channels between the routers that have one
// store.
//
//	fleet.go   Fleet: the loop, and what becomes of it when the store is away
//	plan.go    what this router should have, gives up and takes
//	peers.go   what the routers say of themselves in the store
//	fair.go    how a limit is divided
//
// Every router has a share of every limit, and no request asks the store: the
// share hangs on the board's channel. Behind the requests each router keeps one
// entry in the store that says how much of each limit it holds, and how much it
// would need.
//
// # Never more than the limit
//
// A router raises its share in three steps: it writes that it holds more, then
// reads what all others hold, and takes only as much of it as fits beside that.
// Of two that raise at the same moment, the one whose write came later reads the
// other's, so both together never take more than there is. A router lowers its
// share first and writes it afterwards; what is in use it goes on holding until
// it is free. A share of a limit per minute is held like that too, but what was
// used of it is in use for a minute.
//
// An entry is good for the lease, counted by each reader's own monotonic clock
// from when it saw it change; wall clocks do not matter. A router whose entry was
// not renewed for half a lease begins no more requests under limits of
// max_in_flight, so that the others may have its share when the lease is over,
// unless it knows that nobody can reach the store (sdk.IsStoreGone): then nobody
// can take its share either. Requests under way are not cut off for that.
//
// Whoever reaches the store again, or finds it emptied, first only says what it
// holds, and takes nothing for a lease: by then all others have said so too, or
// have stopped. A new router may take sooner where it sees one that has waited
// as long.
//
// A write that failed may still arrive, so that the next one has another key:
// the old one counts beside it until its lease is over.
package fleet
