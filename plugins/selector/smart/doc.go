// Package smart is the selector that a configuration gets if it names none.
//
// It orders the candidates of a request by
//
//  1. whether they can take it: one that fails too often, has too short a
//     context, is misconfigured or down comes last, in this order, but it stays
//     in the plan;
//  2. the model: the one that was asked for, then its fallbacks;
//  3. the user's priority, the lower the sooner;
//  4. how far it is from the caller, in steps of 1,000 km, where both have a
//     known region; who has none counts as 5,000 km away;
//  5. a score from 0 to 1, the weighted mean of eight factors. A strategy is a
//     set of weights.
//
// Those whose first four are equal and whose scores are about the same are
// one tier: the router spreads requests over it by the channels' weights, or by
// load where the weights are equal. So where nothing is known of prices, sizes
// and contexts, the plan follows priorities and weights, and leaves out what
// fails.
//
//	smart.go     the config block, Select
//	strategy.go  the strategies
//	score.go     the factors and the score
//	traits.go    what names, tags and addresses say of a target
//	regions.go   how far a target is from the caller
//	rank.go      the best of many candidates
//	plan.go      tiers and reasons
package smart
