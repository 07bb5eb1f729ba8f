// Package h1 is an HTTP/1.1 client for one origin that writes and reads in its
// caller's goroutine. net/http's Transport has two goroutines per connection,
// and a request is handed to one and its answer back by the other: this costs
// more than everything else that is done to a request.
//
//	client.go   Client: a request in, an answer out
//	idle.go     connections that wait for another request
//	conn.go     one connection: cancelling, reading, whether it is fit for use
//	send.go     a request's bytes, and how they are written
//	head.go     an answer's head
//	body.go     an answer's body
//	socket*.go  what net.Conn has no words for: looking without waiting
//
// It sends few kinds of requests: a body that is all there, always with its
// length, never anything that asks for another protocol. Of answers it takes
// what RFC 9112 allows, with the lone line feed that it tolerates in a head and
// without folded lines. Whoever sends two framings, two lengths or more than
// the answer is not listened to a second time on the same connection.
package h1
