package host

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// MaxState is the longest state of a stream that a translator gets back, in bytes.
const MaxState = 4 << 20

var _ sdk.Translator = (*Adapter)(nil)

// TranslateRequest is part of sdk.Translator.
func (k *Adapter) TranslateRequest(ctx context.Context, c sdk.Channel, model string, chat []byte) ([]byte, error) {
	a, err := k.client.TranslateRequest(ctx, &proto.TranslateRequestRequest{Channel: channelToProto(c), Model: model, ChatJson: chat})
	if err != nil {
		return nil, k.plugin.wrap(err)
	}
	return a.GetBody(), nil
}

// TranslateAnswer is part of sdk.Translator.
func (k *Adapter) TranslateAnswer(ctx context.Context, c sdk.Channel, model string, a sdk.UpstreamAnswer) ([]byte, error) {
	out, err := k.client.TranslateAnswer(ctx, &proto.TranslateAnswerRequest{
		Channel: channelToProto(c), Model: model, Status: int32(a.Status), Body: a.Body,
	})
	if err != nil {
		return nil, k.plugin.wrap(err)
	}
	return out.GetBody(), nil
}

// TranslateStream is part of sdk.Translator.
func (k *Adapter) TranslateStream(ctx context.Context, c sdk.Channel, model string, p sdk.StreamPiece) (sdk.Chunks, error) {
	out, err := k.client.TranslateStream(ctx, &proto.TranslateStreamRequest{
		Channel: channelToProto(c), Model: model, Piece: p.Data, State: p.State, End: p.End,
	})
	if err != nil {
		return sdk.Chunks{}, k.plugin.wrap(err)
	}
	if n := len(out.GetState()); n > MaxState {
		return sdk.Chunks{}, k.plugin.refuse("stream: its state has %d bytes, more than %d", n, MaxState)
	}
	return sdk.Chunks{Events: out.GetChunks(), State: out.GetState()}, nil
}
