package sdk

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// translate asks the author's translator, where the adapter is one.
func translate[T any](ctx context.Context, s *adapterServer, do func(context.Context, Translator) (T, error)) (T, error) {
	return ask(ctx, s.server, func(ctx context.Context) (T, error) {
		t, ok := s.impl.(Translator)
		if !ok {
			var none T
			return none, Unsupported("translates nothing")
		}
		return do(ctx, t)
	})
}

// TranslateRequest is part of proto.AdapterServer.
func (s *adapterServer) TranslateRequest(ctx context.Context, r *proto.TranslateRequestRequest) (*proto.Translated, error) {
	return translate(ctx, s, func(ctx context.Context, t Translator) (*proto.Translated, error) {
		body, err := t.TranslateRequest(ctx, channelFromProto(r.GetChannel()), r.GetModel(), r.GetChatJson())
		return &proto.Translated{Body: body}, err
	})
}

// TranslateAnswer is part of proto.AdapterServer.
func (s *adapterServer) TranslateAnswer(ctx context.Context, r *proto.TranslateAnswerRequest) (*proto.Translated, error) {
	return translate(ctx, s, func(ctx context.Context, t Translator) (*proto.Translated, error) {
		answer := UpstreamAnswer{Status: int(r.GetStatus()), Body: r.GetBody()}
		body, err := t.TranslateAnswer(ctx, channelFromProto(r.GetChannel()), r.GetModel(), answer)
		return &proto.Translated{Body: body}, err
	})
}

// TranslateStream is part of proto.AdapterServer.
func (s *adapterServer) TranslateStream(ctx context.Context, r *proto.TranslateStreamRequest) (*proto.TranslatedStream, error) {
	return translate(ctx, s, func(ctx context.Context, t Translator) (*proto.TranslatedStream, error) {
		piece := StreamPiece{Data: r.GetPiece(), State: r.GetState(), End: r.GetEnd()}
		chunks, err := t.TranslateStream(ctx, channelFromProto(r.GetChannel()), r.GetModel(), piece)
		return &proto.TranslatedStream{Chunks: chunks.Events, State: chunks.State}, err
	})
}
