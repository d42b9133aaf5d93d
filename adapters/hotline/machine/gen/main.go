// Command gen writes the page of the state machine to the file named.
package main

import (
	"fmt"
	"os"

	"fayi/adapters/hotline/machine"
)

func main() {
	if err := os.WriteFile(os.Args[1], []byte(machine.Document()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
