// Command faults breaks linli on purpose, again and again, while it is at
// work, and looks afterwards whether it kept its word: what it acknowledged is
// there, what follows from it is there once, its files are in order, and what
// could not be applied is parked with a reason.
//
//	faults loop --cycles 50 --seed 1
//
// A load of members and offices, who sign in, writes through the public
// interface and keeps a ledger of what was acknowledged. Each write has an
// idempotency key; one whose answer was lost is sent again under it. Every
// fault has a control: the same run with a linli or a client that cheats,
// which the same checks must catch.
package main
