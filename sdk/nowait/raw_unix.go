//go:build unix && (race || !linux)

package nowait

import "syscall"

// Read reads what has come. p must not be empty.
func Read(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

// Peek reads what has come and leaves it there.
func Peek(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}

// Write writes as much of p as there is room for. p must not be empty.
func Write(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
