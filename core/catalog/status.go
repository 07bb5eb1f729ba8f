package catalog

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// State is what a plugin does now.
type State string

// The states.
const (
	Starting    State = "starting"
	Ready       State = "ready"
	Restarting  State = "restarting"
	Quarantined State = "quarantined"
	Stopped     State = "stopped"
)

// Down is the error of every call to a plugin that has no process now. Calls
// that were under way when the process ended fail with it too.
type Down struct {
	Plugin string // its address
	State  State
	Reason string // why the last process ended
}

func (d Down) Error() string { return fmt.Sprintf("%s is %s: %s", d.Plugin, d.State, d.Reason) }

// GRPCStatus makes it the Unavailable that callers know from plugins.
func (d Down) GRPCStatus() *status.Status { return status.New(codes.Unavailable, d.Error()) }

// Status is how a plugin does.
type Status struct {
	Address string
	// Name and Version as the plugin says.
	Name    string
	Version string
	// PID of the present process; 0: none.
	PID   int
	State State
	// Needs are what the plugin asks for; Denied of them are not granted, and
	// Unasked are granted and not asked for.
	Needs, Denied, Unasked []string
	// Restarts after the first start.
	Restarts int
	// MemoryKills are the ends of processes that used more memory than they may.
	MemoryKills int
	Calls       uint64
	// Errors are the calls that failed, those of Down included.
	Errors uint64
	// P99 of the calls since the router's start, LastError that of the last
	// call that failed, and Memory the process's bytes; only in Details.
	P99         time.Duration
	LastError   string
	LastErrorAt *time.Time
	Memory      int64
	// Started is when the present or the last process took its first calls.
	Started time.Time
	// LastExit is why the last process ended, or could not start; empty: none did.
	LastExit string
	// Epoch counts the processes that took calls. What the plugin said of its
	// own addresses is worth nothing when it changed.
	Epoch uint64
}
