// Package catalog runs the plugins: one process each, started, checked,
// supervised and swapped. It is the host's only importer of go-plugin.
//
//	catalog.go   Catalog, Load: from configuration to running plugins
//	set.go       Set: the plugins of one configuration, until released
//	instance.go  Instance: one plugin, whatever process it has now
//	call.go      the kinds, called through an Instance
//	grants.go    what a plugin asks for and is granted
//	upstream.go  what a plugin may ask of the router's HTTP client
//	quarantine.go  out of service by an operator's word
//	status.go    State, Status, Down
//	figures.go   Details: latency, memory, the last error
//	backoff.go   when a crashed plugin starts again
//	starved.go   one that gets no CPU is late, and does not hang
//	life.go      one process from start to clean-up
//	runner.go    go-plugin's runner: output and end of a process
//	process.go   starting and killing processes
//	reaper.go    what plugins have started, once they or we have ended
//	guest.go     processes that their author started, for a debugger
//	user.go      whom a process runs as, limits.go: what it may use, launcher.go:
//	             how it is limited as another user
//	program.go   what is executed: path, checksum, environment
//	sum.go       the checksum of what runs
//	folder.go    private socket folders, and sweeping those of dead hosts
//	lines.go     what plugins print, as log lines
//
// An Instance is what others hold. Its process may die and be replaced at any
// time: calls fail with [Down] meanwhile and go to the new process after it.
//
// The life of a plugin:
//
//  1. its program is found and, where a checksum is set, hashed
//  2. it starts in a process group of its own, with nothing of the router's
//     environment, and with a pipe whose end tells it that the router is gone
//  3. it describes itself; its config block is decoded with its own schema
//  4. it is configured, and takes calls
//  5. it is watched: its end is seen at once, its silence within two seconds,
//     unless it waits for a CPU
//  6. crashed, it starts again at once, then with back-off; a plugin that
//     keeps crashing is quarantined
//  7. it is killed, with its group, when no configuration in use names it
package catalog
