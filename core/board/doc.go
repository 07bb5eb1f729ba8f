// Package board is what the core knows of every target now.
//
//	board.go    Board: applies a configuration and what probers found out
//	view.go     View: the targets of one generation, immutable, and which of them could answer a name
//	target.go   Target, Channel: their live figures, lock-free
//	ban.go      Ban: who is out, why, until when
//	key.go      what live answers show of a credential
//	persist.go  what survives a restart
//
// A View is read behind an atomic pointer by every request. The live figures
// hang on the targets and are carried from view to view.
package board
