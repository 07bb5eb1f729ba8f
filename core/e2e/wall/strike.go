package wall

import (
	"net"
	"net/http"
)

// strike carries a fault out. False: the fault waits for the middle of the answer.
func (x *exchange) strike(f *armed) bool {
	switch f.kind {
	case resetMid, endMid, closeMid, stallMid, errorMid, pauseMid, tornMid:
		x.cut = f
		return false
	case endless:
		x.endless = x.stream
		x.wall.journal.struck(x.record, f.String())
		return false
	}
	x.wall.journal.struck(x.record, f.String())
	switch f.kind {
	case status:
		r := f.refusal
		if r == nil {
			r = failure(f.code)
		}
		x.refuse(r.retryAfter(f.retryAfter))
	case quota:
		x.refuse(noQuota().retryAfter(f.retryAfter))
	case silent:
		x.wait()
	case reset:
		x.reset()
	case garbage:
		if x.stream {
			x.whole(http.StatusOK, "text/event-stream", []byte("data: {\"id\":\"chatcmpl-\x00\xff\xfe<<<<\n\ndata: }}}\n\n"))
		} else {
			x.whole(http.StatusOK, "application/json", []byte("{\"id\":\"chatcmpl-\x00\xff\xfe<<<<"))
		}
	case empty:
		x.whole(http.StatusOK, "application/json", nil)
	case html:
		x.whole(http.StatusOK, "text/html; charset=utf-8", []byte("<!doctype html><title>Welcome</title><p>Please sign in to the network."))
	case errorJSON:
		x.whole(http.StatusOK, "application/json", failure(http.StatusInternalServerError).bodyFor(x.request))
	default:
		panic("wall: no such fault: " + f.String())
	}
	return true
}

// strikeNow does to a stream what its cut says, and says whether it goes on. Events so far are out; one that does not
// go on is not complete.
func (x *exchange) strikeNow() bool {
	f := x.cut
	x.cut = nil
	x.wall.journal.struck(x.record, f.String())
	switch f.kind {
	case resetMid:
		x.reset()
	case closeMid:
		x.drop()
	case stallMid:
		x.wait()
	case errorMid:
		if isBedrock(x.request) {
			_, _ = x.writer.Write(exceptionFrame("internalServerException", "The system encountered an unexpected error during processing."))
			return false
		}
		// The form of https://developers.openai.com/api/docs/guides/error-codes, as data of an event;
		// SDKs look for "error" in it whatever the event is called.
		code := http.StatusInternalServerError
		if isAnthropic(x.request) {
			code = http.StatusServiceUnavailable
		}
		frame := append([]byte("event: error\ndata: "), failure(code).bodyFor(x.request)...)
		switch {
		case isOllama(x.request):
			frame = failure(http.StatusInternalServerError).ollamaBody()
		case isCohere(x.request):
			frame = []byte(`data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"the model broke down"}}`)
		}
		_, _ = x.writer.Write(append(frame, "\n\n"...)) // the stream ends here, whether this arrived or not
	case endMid: // to return is to end
	case pauseMid:
		return x.sleep(f.delay)
	case tornMid:
		_, err := x.writer.Write([]byte("data: {\"id\":\"chatcmpl-torn\",\"choices\":[{\"delta\":{\"con\n\n"))
		return err == nil && x.control.Flush() == nil
	}
	return false
}

// half sends the first half of a whole answer, and then what the cut says; one that only pauses does so before.
func (x *exchange) half(code int, body []byte) {
	if x.cut.kind == errorMid {
		x.wall.journal.struck(x.record, x.cut.String())
		x.cut = nil
		x.whole(http.StatusOK, "application/json", failure(http.StatusInternalServerError).body())
		return
	}
	switch x.cut.kind {
	case pauseMid:
		if x.strikeNow() {
			x.whole(code, x.writer.Header().Get("Content-Type"), body)
		}
		return
	case tornMid:
		x.wall.journal.struck(x.record, x.cut.String())
		x.cut = nil
		x.whole(code, x.writer.Header().Get("Content-Type"), append(body[:len(body)/2:len(body)/2], "\"..."...))
		return
	}
	// Without a length the body goes out in chunks, and can end properly although half of it is missing.
	x.writer.WriteHeader(code)
	_, _ = x.writer.Write(body[:len(body)/2])
	_ = x.control.Flush() // where the client has left, the cut changes nothing
	x.strikeNow()
}

// reset ends the connection with RST: what the kernel still holds is thrown away.
func (x *exchange) reset() {
	if conn := x.hijack(); conn != nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // fails only on a dead connection
		}
		_ = conn.Close()
	}
}

// drop ends the connection with FIN.
func (x *exchange) drop() {
	if conn := x.hijack(); conn != nil {
		_ = conn.Close()
	}
}

func (x *exchange) hijack() net.Conn {
	conn, _, err := x.control.Hijack()
	if err != nil {
		return nil // the client was faster
	}
	return conn
}
