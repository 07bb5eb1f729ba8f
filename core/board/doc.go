// Package board is what the core knows of every target now.
//
//	board.go    Board: applies a configuration and what probers found out
//	memory.go   how much of what is known is used, and how old it is
//	learn.go    what was found out, and what goes on to hold of what was known
//	outcome.go  what a request's end says about its target
//	view.go     View: the targets of one generation, immutable, and which of them could answer a name
//	target.go   Target, Channel: their live figures, lock-free
//	ban.go      Ban: who is out, why, until when
//	recover.go  how a ban ends early: the probe, the trial
//	suspects.go the channel whose models fail one after the other
//	gate.go     the line before a channel that works on as many requests as it may;
//	            places.go: how many these are now
//	meter.go    what a channel was asked for within a minute
//	share.go    Limit: how much of a channel's limits is this router's
//	key.go      what live answers show of a credential
//	operator.go bans by hand
//	budget.go   Budget: the tries that doubtful targets may cost
//	persist.go  what survives a restart
//	follow.go   what other routers found out, merge.go: whose word holds
//
// A View is read behind an atomic pointer by every request. The live figures
// hang on the targets and are carried from view to view.
//
// # Bans and the breaker are one thing
//
// A circuit breaker beside a table of bans would be two answers to one
// question: may this target take a request? So there is only the [Ban], in one
// atomic pointer on the target or on its channel, and the breaker is how bans
// for faults begin and end:
//
//	closed     no ban. Upstream and Connect failures are counted, and so many
//	           in a row make a ban; a success between starts the count anew.
//	           A time-out bans at once: it has cost a client minutes already.
//	open       the ban lasts, as long as the table of its class says, doubled
//	           from ban to ban. Targets that fail are not hidden: they come
//	           last, so that the last target of a model is never banned away.
//	half-open  the ban has run out, or a probe found the channel up since it
//	           began and its back-off (1 s, doubling, with jitter) is over. One
//	           request goes in, the trial; the others pass by. Its success ends
//	           the ban, its failure makes the next one.
//
// The two clocks do not compete: the table's is for targets of which nothing
// is heard, the breaker's for those that were seen up. A probe alone lifts no
// ban: a list of models proves the way to a provider, not that it answers.
// What an upstream says itself (a rate with its wait, a quota, a key, a model
// that is not there) is believed, and no back-off shortens it.
//
// # Many routers, one store
//
// Each router writes what it finds out, as a whole entry by channel or by
// channel and model, and polls what others wrote. There is no lock and no
// leader; entries are merged by rules that come to the same in every router,
// in whatever order it hears of things:
//
//   - Health, key and models are three parts, each with the time at which it
//     was found out; the later one holds.
//   - Of two bans of a place the operator's holds, and of two of his the later
//     one; then one of which the upstream spoke before a guess, and the one
//     that ends later.
//   - A ban that is lifted leaves a trace of when, for a week: by an operator
//     (of all bans that began before), of guesses, or of one class. Traces of
//     several routers add up. So no router brings back what it has not heard
//     was lifted, and a ban that began after that stays.
//   - What the store has removed, or lost, says nothing.
//   - All of it is believed only of the same account ([Fingerprint]), but for
//     an operator's word, which is about the channel.
//
// Nothing that was read is written back. A router that knows better than what it
// read writes that, once; as the rules are an order, they come to rest. After the
// store was away a router reads all of it, and writes what it lacks. Times are
// the writers' clocks: routers whose clocks differ by a second may take an unban
// and a ban within that second for one another.
package board
