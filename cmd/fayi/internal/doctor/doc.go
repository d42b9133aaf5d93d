// Package doctor looks a node over: everything outside the program that has to
// be right for it to run, each as one [Check] with a stable code, what was
// found, and what to do.
//
// [Examine] goes from what everything rests on to what rests on it:
// configuration, keys, disk, database, packs, ports, neighbours. It stops at
// nothing: a fault in one place leaves the others to be looked at, so that an
// operator sees all of them at once. It changes nothing but for a probe file
// beside heads.journal, which it removes, and it may run beside a serving node.
//
// Start with [Examine].
package doctor
