//go:build linux && !race

package h1

import (
	"syscall"
	"unsafe"
)

// These calls never wait, as MSG_DONTWAIT says. So the scheduler is not told of
// them, which would otherwise give the thread's place to another where a write
// to loopback takes long. The race detector has to see them: nowait.go.

// readNow reads what has come. p must not be empty.
func readNow(fd uintptr, p []byte) (int, error) {
	return result(syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0))
}

// peekNow reads what has come and leaves it there.
func peekNow(fd uintptr, p []byte) (int, error) {
	return result(syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_DONTWAIT|syscall.MSG_PEEK, 0, 0))
}

// writeNow writes as much of p as there is room for. p must not be empty.
func writeNow(fd uintptr, p []byte) (int, error) {
	return result(syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0))
}

func result(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
