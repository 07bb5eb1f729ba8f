package sdk

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
)

// Log writes to the router's log, at the level that the router wants: a line
// below it is not even sent.
var Log = newLog()

func newLog() hclog.Logger {
	level := hclog.LevelFromString(os.Getenv(EnvLogLevel))
	if level == hclog.NoLevel {
		level = hclog.Warn
	}
	return hclog.New(&hclog.LoggerOptions{
		Level:      level,
		Output:     os.Stderr,
		JSONFormat: os.Getenv(CookieKey) == CookieValue,
	})
}

// privateStdout is where the handshake goes; nil where the program is no plugin.
//
// The host reads one line from a plugin's stdout, and after it nothing that a
// plugin should have to think of: a print before the handshake would break the
// start, and a line over 64 KiB would in the end block the process. So file
// descriptor 1 becomes another stderr, which is the log, before main runs; that
// holds for C libraries and children too.
var privateStdout = takeStdout()

func takeStdout() *os.File {
	if os.Getenv(CookieKey) != CookieValue {
		return nil
	}
	fd, err := unix.FcntlInt(uintptr(unix.Stdout), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = unix.Dup2(unix.Stderr, unix.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sdk: cannot set the handshake's stdout apart:", err)
		os.Exit(1)
	}
	return os.NewFile(uintptr(fd), "handshake")
}

// sayHandshake writes go-plugin's line and closes stdout for good.
func sayHandshake(a *plugin.ReattachConfig) error {
	if os.Getenv("PLUGIN_CLIENT_CERT") != "" {
		return fmt.Errorf("the host asks for AutoMTLS; a plugin is reached by a unix socket in a private folder instead")
	}
	// A program that the plugin starts must not take itself for a plugin; the
	// first call may come as soon as the line is out.
	os.Unsetenv(CookieKey)
	_, err := fmt.Fprintf(privateStdout, "%d|%d|%s|%s|%s|\n",
		plugin.CoreProtocolVersion, a.ProtocolVersion, a.Addr.Network(), a.Addr.String(), a.Protocol)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return privateStdout.Close()
}

// watchLifeline ends the process when the host is gone, however it went. The
// host alone holds the pipe's other end, so its death is this end's end of file.
func watchLifeline() {
	text := os.Getenv(EnvLifeline)
	if text == "" {
		return
	}
	os.Unsetenv(EnvLifeline)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		Log.Error("no such file descriptor", "env", EnvLifeline, "value", text)
		return
	}
	unix.CloseOnExec(fd)
	// Its blocking mode is left as it is: other plugins share the pipe's end.
	lifeline := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, lifeline) // whatever ends it, the host has gone
		die()
	}()
}

// die takes the process's children along where the process leads its group.
func die() {
	if pid := os.Getpid(); unix.Getpgrp() == pid {
		_ = unix.Kill(-pid, unix.SIGKILL) // the process is in it, and ends here
	}
	os.Exit(1)
}

// ignoreSignals leaves the end to the router, which drains its requests after
// the signal that a terminal or a service manager sends to all of them. They are
// caught, not ignored: children would inherit that.
func ignoreSignals() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
}
