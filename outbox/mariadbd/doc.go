// Package mariadbd runs private MariaDB servers: the real one, with durable commits, on a socket and a loopback port of
// its own. Tests (package mariadbtest) and benchmarks start theirs with it; a node never does.
//
//	server, err := mariadbd.Launch(mariadbd.Durable()...)
//	dsn, err := server.CreateDatabase("bench")
//	…
//	server.Remove()
//
// A server lives no longer than the process that started it: a guard process kills it and removes its directory when
// that process ends, in whatever way.
//
// Start with [Launch].
package mariadbd
