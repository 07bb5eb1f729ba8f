package telemetry

import "github.com/smart-ai-router/smartrouter/sdk"

// The names are those of OpenTelemetry's conventions for generative AI, which
// are still in development, as of 2026-11:
// https://github.com/open-telemetry/semantic-conventions-genai
const (
	scopeName = "github.com/smart-ai-router/smartrouter/core/telemetry"

	serviceName    = "service.name"
	serviceVersion = "service.version"

	operationName    = "gen_ai.operation.name"
	providerName     = "gen_ai.provider.name"
	requestModel     = "gen_ai.request.model"
	requestStream    = "gen_ai.request.stream"
	responseModel    = "gen_ai.response.model"
	timeToFirstChunk = "gen_ai.response.time_to_first_chunk" // seconds
	inputTokens      = "gen_ai.usage.input_tokens"
	outputTokens     = "gen_ai.usage.output_tokens"
	cachedTokens     = "gen_ai.usage.cache_read.input_tokens"
	reasoningTokens  = "gen_ai.usage.reasoning.output_tokens"
	tokenType        = "gen_ai.token.type"
	typeInput        = "input"
	typeOutput       = "output"

	errorType     = "error.type"
	httpStatus    = "http.response.status_code"
	resendCount   = "http.request.resend_count"
	serverAddress = "server.address"
	serverPort    = "server.port"

	// Ours, where the conventions have no word.
	channelName   = "smartrouter.channel"
	cacheResult   = "smartrouter.cache"
	decisionID    = "smartrouter.decision"
	tryRescue     = "smartrouter.try.rescue"
	tryReused     = "smartrouter.try.connection_reused"
	tryConnect    = "smartrouter.try.connect_time" // seconds
	attemptsCount = "smartrouter.attempts"

	clientTokenUsage        = "gen_ai.client.token.usage"
	clientOperationDuration = "gen_ai.client.operation.duration"
	serverRequestDuration   = "gen_ai.server.request.duration"
	serverTimeToFirstToken  = "gen_ai.server.time_to_first_token"

	// otherError stands for what has no class.
	otherError = "_OTHER"
)

// Buckets as the conventions advise.
var (
	durationBuckets   = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	firstTokenBuckets = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	tokenBuckets      = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// operation is what the conventions call an endpoint; those that they have no
// word for keep ours.
func operation(e sdk.Endpoint) string {
	switch e {
	case sdk.Chat, sdk.Responses:
		return "chat"
	case sdk.Completions:
		return "text_completion"
	case sdk.Embeddings:
		return "embeddings"
	case sdk.ImageGeneration, sdk.ImageEdit, sdk.ImageVariation, sdk.Speech:
		return "generate_content"
	default:
		return string(e)
	}
}

// providers are what the conventions call those that are not called alike here.
var providers = map[string]string{
	"azure-openai": "azure.ai.openai",
	"mistral":      "mistral_ai",
	"xai":          "x_ai",
	"gemini":       "gcp.gemini",
	"bedrock":      "aws.bedrock",
}

func provider(name string) string {
	if known, ok := providers[name]; ok {
		return known
	}
	return name
}
