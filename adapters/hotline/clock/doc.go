// Package clock counts the time a hand-off takes: working days and hours on the published calendar, limits by party,
// type, urgency and date, pauses, extensions and breaches.
//
// # What it promises
//
//   - The calendar is data (holidays.txt, the State Council's notices), working weekends (调休) included. A year without a
//     notice is unknown: a due date that needs it is [Missing] and marked as an estimate, never counted from Monday to
//     Friday in silence.
//   - A limit is a [Rule] with a condition and a first day of validity, never a number in the program. The embedded ones
//     (rules.txt) are defaults that a profile overrides.
//   - A [Figure] carries all it was computed from, so that a third person can do it again ([Figure.Recompute]).
//   - A breach, once recorded, stays. An extension granted after the due time is marked as late and erases nothing.
//
// # How counting works
//
// "n working days" (WD) end at the end of the n-th working day strictly after the day of the start; the start may be a
// rest day. A pause moves the due date by the working days after the day it began up to the day it ended. An
// extension counts from the old due date. Minutes and hours count from the moment, round the clock or in business hours.
//
// No function reads the wall clock: the moment is always an argument. All values may be used concurrently; a [Calendar]
// is never changed after it was made.
//
// Start reading at calendar.go, then figure.go.
package clock
