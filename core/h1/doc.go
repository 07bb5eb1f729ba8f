// Package h1 is HTTP/1.1 in the caller's goroutine: a client for one origin, and
// a server. net/http hands a request from one goroutine to another and its
// answer back, on both sides; this costs more than everything else that is done
// to a request.
//
// The client:
//
//	client.go   Client: a request in, an answer out
//	idle.go     connections that wait for another request
//	conn.go     one connection: cancelling, reading, whether it is fit for use
//	send.go     a request's bytes, and how they are written
//	body.go     an answer's body
//
// The server:
//
//	server.go    Server: listeners, its end
//	session.go   a connection: one request after the other, until it ends
//	request.go   a request's head; question.go: its body
//	reply.go     the answer
//	sentinel_linux.go  who has left
//	deadline.go  deadlines that are set only where it matters
//
// Both:
//
//	socket.go  what net.Conn has no words for: looking, and waits without a read in
//	           vain; its system calls are those of sdk/nowait
//	scope.go   Scope: the context of a request
//	input.go   what has come and is not used yet
//	head.go    the lines of a head, and how a message is framed
//	frames.go  a body out of its frames
//
// The client sends few kinds of requests: a body that is all there, always with
// its length, never anything that asks for another protocol. Of answers it takes
// what RFC 9112 allows, with the lone line feed that it tolerates in a head and
// without folded lines. Whoever sends two framings, two lengths or more than
// the answer is not listened to a second time on the same connection.
//
// The server is stricter, since others may have read a request before it: what
// could be read in two ways is answered with 400, and its connection ends.
package h1
