//go:build darwin || (linux && race)

package h1

import "syscall"

func readNow(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

func peekNow(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}

func writeNow(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
