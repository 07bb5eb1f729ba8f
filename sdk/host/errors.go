package host

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callError reads "selector(smart): no channel fits", and keeps the gRPC code
// for status.Code and the end of a context for errors.Is.
type callError struct {
	who    string
	status *status.Status
}

func (e *callError) Error() string {
	if e.status.Message() == "" {
		return e.who + ": " + e.status.Code().String()
	}
	return e.who + ": " + e.status.Message()
}

func (e *callError) GRPCStatus() *status.Status { return e.status }

func (e *callError) Unwrap() error {
	switch e.status.Code() {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func (p *Plugin) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &callError{who: p.who, status: status.Convert(err)}
}

// refuse is for an answer that the contract does not allow.
func (p *Plugin) refuse(format string, args ...any) error {
	return &callError{who: p.who, status: status.New(codes.Internal, fmt.Sprintf(format, args...))}
}
