package h1

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// sentinel sees clients leave. All connections are in one epoll set, which asks
// for nothing but their end: a connection costs one system call for that, and a
// request none.
type sentinel struct {
	set *os.File

	mu     sync.Mutex
	next   uint64
	of     map[uint64]*session
	closed bool
}

func newSentinel() (*sentinel, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	// Not blocking, so that the runtime's own poller waits for it and no thread does.
	w := &sentinel{set: os.NewFile(uintptr(fd), "connections"), of: make(map[uint64]*session)}
	raw, err := w.set.SyscallConn()
	if err != nil {
		w.close()
		return nil, err
	}
	go w.run(raw)
	return w, nil
}

// watch tells a session when its client leaves. Closing the connection ends it;
// forget then drops what is kept for it.
func (w *sentinel) watch(x *session, c syscall.RawConn) error {
	w.mu.Lock()
	w.next++
	x.ticket = w.next
	w.of[x.ticket] = x
	w.mu.Unlock()
	// A ticket is used once, unlike a descriptor: what is told of an old
	// connection can't be taken for news of another.
	e := unix.EpollEvent{
		Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(uint32(x.ticket)), Pad: int32(uint32(x.ticket >> 32)),
	}
	set, err := w.set.SyscallConn()
	if err != nil {
		return err
	}
	var add, with error
	err = set.Control(func(epoll uintptr) {
		with = c.Control(func(fd uintptr) {
			add = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, int(fd), &e))
		})
	})
	return errors.Join(err, with, add)
}

func (w *sentinel) forget(x *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.of, x.ticket)
}

func (w *sentinel) run(set syscall.RawConn) {
	events := make([]unix.EpollEvent, 128)
	for {
		n, failed := 0, error(nil)
		err := set.Read(func(fd uintptr) bool {
			for {
				n, failed = unix.EpollWait(int(fd), events, 0)
				if !errors.Is(failed, unix.EINTR) {
					return n > 0 || failed != nil
				}
			}
		})
		if err != nil || failed != nil {
			return // closed
		}
		for i := range n {
			ticket := uint64(uint32(events[i].Fd)) | uint64(uint32(events[i].Pad))<<32
			w.mu.Lock()
			x := w.of[ticket]
			w.mu.Unlock()
			if x != nil {
				x.leave()
			}
		}
	}
}

func (w *sentinel) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		_ = w.set.Close()
	}
}
