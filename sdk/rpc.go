package sdk

import (
	"context"
	"reflect"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// appendOnce appends an implementation unless it is there: one value may be of
// several kinds, and is started and closed once.
func appendOnce(parts []any, part any) []any {
	if !reflect.TypeOf(part).Comparable() {
		return append(parts, part)
	}
	for _, p := range parts {
		if reflect.TypeOf(p).Comparable() && p == part {
			return parts
		}
	}
	return append(parts, part)
}

func hasConfigTags(part any) bool {
	t := reflect.TypeOf(part)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	for i := range t.Elem().NumField() {
		if _, ok := t.Elem().Field(i).Tag.Lookup("config"); ok {
			return true
		}
	}
	return false
}

// toStatus gives an author's error its gRPC code: that which it wraps, or the
// context's, or Unknown. The text is the author's whole text.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		if s.Code() == codes.OK {
			return status.Error(codes.Unknown, err.Error())
		}
		return s.Err()
	}
	return status.FromContextError(err).Err()
}

func leaseToProto(l Lease) *proto.Lease {
	switch {
	case l.IsZero():
		return nil
	case l.Fresh < 0:
		return &proto.Lease{Fresh: durationpb.New(0)}
	default:
		return &proto.Lease{Fresh: durationpb.New(l.Fresh), Stale: durationpb.New(max(0, l.Stale))}
	}
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFromProto(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func channelFromProto(c *proto.Channel) Channel {
	return Channel{
		Name: c.GetName(), Provider: c.GetProvider(), BaseURL: c.GetBaseUrl(), Region: c.GetRegion(),
		Tags: c.GetTags(), Settings: c.GetSettings(), Secret: Secret(c.GetSecret()),
	}
}

func manifestToProto(m Manifest) *proto.Manifest {
	p := &proto.Manifest{
		Name: m.Name, Version: m.Version, Doc: m.Doc, Computes: m.Computes, Lane: m.Lane, Needs: m.Needs,
		Fields: fieldsToProto(m.Fields),
	}
	for _, k := range m.Kinds {
		p.Kinds = append(p.Kinds, string(k))
	}
	for _, f := range m.Reads {
		p.Reads = append(p.Reads, string(f))
	}
	return p
}

func fieldsToProto(fields []Field) (ps []*proto.Field) {
	for _, f := range fields {
		ps = append(ps, &proto.Field{
			Name: f.Name, Type: string(f.Type), Required: f.Required, Doc: f.Doc, DefaultJson: f.Default,
			Fields: fieldsToProto(f.Fields), Min: f.Min, Max: f.Max,
		})
	}
	return ps
}

func configErrorsToProto(errs []ConfigError) (ps []*proto.ConfigError) {
	for _, e := range errs {
		ps = append(ps, &proto.ConfigError{Path: e.Path, Message: e.Message})
	}
	return ps
}

// ask runs one method of a kind between the checks that all share.
func ask[T any](ctx context.Context, s *server, method func(context.Context) (T, error)) (T, error) {
	if err := s.configured(); err != nil {
		var none T
		return none, err
	}
	answer, err := method(ctx)
	return answer, toStatus(err)
}
