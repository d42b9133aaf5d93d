// Package figures counts what hotlines are judged by, from the events of the hand-offs alone, and compares it with the
// hotline's own monthly sheet.
//
// # What it promises
//
//   - The six figures of the Yulin assessment (工单量, 满意度, 及时接收率, 回退率, 重办率, 按时办结率) for one party and
//     direction in a period, each with the numbers behind it, the version of the formula, and the tickets that were
//     left out with the reason ([Count]).
//   - A comparison names every ticket on which the two sides differ, what each says, and why, as far as the events tell
//     ([Compare]). It never takes the other side's word for ours.
//
// # How data passes through it
//
//	ledger (hand-offs, rounds, events, clocks) ─► Row for each round ─► Count ─► Report
//	sheet (csv) ─► ReadSheet ─► Compare(rows, sheet) ─► differences
//
// Formulas are of version [Version]; a change of one changes it. Start reading at figures.go.
package figures
