package lane

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	frameBytes = 64 << 10 // a frame takes no further item past this
	chunkBytes = 4 << 10  // what a new frame starts with; over gRPC's 1 KiB, below which it would not be given back
	pooledMax  = 4 * frameBytes

	// gRPC blocks a write while 64 KiB of its stream wait for the transport. Below this mark a write can't block,
	// whatever the size of its frame; above it, only a goroutine that nobody waits for writes.
	blockingBytes = 32 << 10

	// A caller that writes also writes what others append meanwhile; after this many frames it has done its share.
	framesPerCaller = 2
)

var errOutboxClosed = errors.New("lane: outbox is closed")

// outbox gathers items into frames and writes them. There is no writing goroutine to wake up and no timer: who
// appends while nobody writes takes the writer's seat, and whatever the others append until then goes along.
type outbox struct {
	send   func(any) error // writes one frame; never called by two at a time
	limit  int             // bytes of calls that may wait, 0 for any
	frames atomic.Uint64   // written so far
	unsent atomic.Int64    // bytes given to gRPC that its transport still holds

	mu      sync.Mutex
	left    sync.Cond // the writer's seat is empty again
	queue   []*[]byte // frames to write; the last one still takes items
	queued  int       // bytes in queue
	writing bool      // the writer's seat is taken
	closed  bool
}

func newOutbox(send func(any) error, limitBytes int) *outbox {
	o := &outbox{send: send, limit: limitBytes}
	o.left.L = &o.mu
	return o
}

// add appends one item. Where seat is wanted and free the caller now has it and must call write.
// It errors with ResourceExhausted when the other side does not read.
func (o *outbox) add(head, body []byte, seat bool) (mustWrite bool, err error) {
	size := len(head) + len(body)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false, errOutboxClosed
	}
	// Only calls are held back: a cancel or a ping is what gets a stuck lane moving, or found out.
	if o.limit > 0 && o.queued+size > o.limit && kind(head[0]) == kindCall {
		return false, status.Errorf(codes.ResourceExhausted, "lane: %d bytes of calls wait, the plugin does not read", o.queued)
	}
	last := len(o.queue) - 1
	if last < 0 || len(*o.queue[last])+size > frameBytes {
		o.queue = append(o.queue, chunks.get())
		last++
	}
	chunk := o.queue[last]
	*chunk = append(append(*chunk, head...), body...)
	o.queued += size
	// A full frame behind an open one: time to write even for those who'd rather gather more.
	return (seat || last > 0) && o.takeSeat(), nil
}

// flush takes the writer's seat if anything waits and nobody has it, and writes.
func (o *outbox) flush() {
	o.mu.Lock()
	mine := len(o.queue) > 0 && !o.closed && o.takeSeat()
	o.mu.Unlock()
	if mine {
		o.write(false)
	}
}

func (o *outbox) takeSeat() bool {
	if o.writing {
		return false
	}
	o.writing = true
	return true
}

// write sends what waits and leaves the seat; it never blocks. With yield the other goroutines first get the
// chance to append, which is what makes a batch of calls that come at the same time.
func (o *outbox) write(yield bool) {
	if yield {
		runtime.Gosched()
	}
	for n := 0; ; n++ {
		chunk := o.pop()
		if chunk == nil {
			return
		}
		if n == framesPerCaller || o.unsent.Load() >= blockingBytes {
			go o.drain(chunk)
			return
		}
		o.sendFrame(chunk)
	}
}

// drain writes on, blocked for as long as the other side does not read.
func (o *outbox) drain(chunk *[]byte) {
	for ; chunk != nil; chunk = o.pop() {
		o.sendFrame(chunk)
		runtime.Gosched()
	}
}

// pop takes the first frame, or leaves the seat.
func (o *outbox) pop() *[]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.queue) == 0 {
		o.writing = false
		o.left.Broadcast()
		return nil
	}
	chunk := o.queue[0]
	n := copy(o.queue, o.queue[1:])
	o.queue[n] = nil
	o.queue = o.queue[:n]
	o.queued -= len(*chunk)
	return chunk
}

func (o *outbox) sendFrame(chunk *[]byte) {
	o.unsent.Add(int64(len(*chunk)))
	o.frames.Add(1)
	// Why a write fails is told to whoever reads the stream; here it only means that no more can go out.
	if err := o.send(&outFrame{bytes: chunk, pool: o}); err != nil {
		o.shut()
	}
}

func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.queue, o.queued = nil, 0
}

// close drops what waits and returns when nobody writes. The stream must be ended before, or a writer may hang.
func (o *outbox) close() {
	o.shut()
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing {
		o.left.Wait()
	}
}

// Get and Put make the outbox gRPC's mem.BufferPool for its frames: Put is how gRPC tells that a frame was written.
func (o *outbox) Get(int) *[]byte { return chunks.get() }

// Put takes a written frame back.
func (o *outbox) Put(chunk *[]byte) {
	o.unsent.Add(-int64(len(*chunk)))
	chunks.put(chunk)
}

// bufferPool keeps byte slices, emptied and of any capacity up to pooledMax.
type bufferPool struct{ sync.Pool }

var (
	chunks = &bufferPool{sync.Pool{New: func() any { return newBuffer(chunkBytes) }}} // frames
	bodies = &bufferPool{sync.Pool{New: func() any { return newBuffer(1 << 10) }}}    // messages while they are encoded
)

func newBuffer(capacity int) *[]byte {
	b := make([]byte, 0, capacity)
	return &b
}

func (p *bufferPool) get() *[]byte { return p.Get().(*[]byte) }

func (p *bufferPool) put(b *[]byte) {
	if cap(*b) > pooledMax {
		return
	}
	*b = (*b)[:0]
	p.Put(b)
}
