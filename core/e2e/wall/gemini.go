package wall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Google's Gemini API, beside OpenAI's. Shapes are those of https://ai.google.dev/api/generate-content, /api/caching,
// /api/tokens and /api/embeddings, and of @google/genai 2.32, dist/genai.d.ts; errors those of
// https://ai.google.dev/gemini-api/docs/troubleshooting and google/rpc/code.proto.

// GeminiModel is one that a wall serves as Google does: it thinks by levels, and wants its signatures back.
const GeminiModel = "gemini-3-flash"

// GeminiURL is the base URL of the wall's Gemini API.
func (w *Wall) GeminiURL() string { return strings.TrimSuffix(w.URL(), "/v1") + "/v1beta" }

// geminiSignature is how the wall signs what it thinks, and skipped what it takes for a signature that nobody has made
// (https://ai.google.dev/gemini-api/docs/thought-signatures).
const (
	geminiSignature = "Z2VtaW5pIHNpZ25lZA=="
	skipped         = "skip_thought_signature_validator"
)

// isGemini says whether a request is for Google's API.
func isGemini(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1beta/") || isVertex(r, "google")
}

// admitGemini checks the key, which comes in one way alone.
func (w *Wall) admitGemini(r *http.Request) *refusal {
	key, query := r.Header.Get("X-Goog-Api-Key"), r.URL.Query().Get("key")
	switch {
	case r.Header.Get("Authorization") != "" || key != "" && query != "":
		return invalidArgument("Multiple authentication credentials received. Please pass only one.")
	case key == "":
		key = query
	}
	if key == "" {
		return &refusal{status: http.StatusForbidden, message: "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."}
	}
	if !slices.Contains(w.keys, key) {
		return invalidArgument("API key not valid. Please pass a valid API key.")
	}
	return nil
}

// invalidArgument is a 400 of Google's.
func invalidArgument(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// googleCodes are the codes of Google's by status.
var googleCodes = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED", 422: "INVALID_ARGUMENT",
	429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}

// geminiBody is Google's error shape.
func (r *refusal) geminiBody() []byte {
	return encode(map[string]any{"error": map[string]any{"code": r.status, "message": r.message, "status": googleCodes[r.status]}})
}

type geminiBlob struct {
	MimeType    string `json:"mimeType"`
	Data        []byte `json:"data"`
	DisplayName string `json:"displayName"`
}

type geminiPart struct {
	Text         *string     `json:"text"`
	Thought      bool        `json:"thought"`
	Signature    string      `json:"thoughtSignature"`
	InlineData   *geminiBlob `json:"inlineData"`
	FunctionCall *struct {
		ID   string         `json:"id"`
		Name string         `json:"name"`
		Args map[string]any `json:"args"`
	} `json:"functionCall"`
	FunctionResponse *struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Response map[string]any `json:"response"`
		Parts    []struct {
			InlineData *geminiBlob `json:"inlineData"`
		} `json:"parts"`
	} `json:"functionResponse"`
	FileData *struct {
		MimeType string `json:"mimeType"`
		FileURI  string `json:"fileUri"`
	} `json:"fileData"`
	ExecutableCode      map[string]any `json:"executableCode"`
	CodeExecutionResult map[string]any `json:"codeExecutionResult"`
	VideoMetadata       map[string]any `json:"videoMetadata"`
	MediaResolution     map[string]any `json:"mediaResolution"`
}

type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

// geminiSchema is what of OpenAPI's schema objects Google takes; parametersJsonSchema and responseJsonSchema take more.
type geminiSchema struct {
	Type             string                   `json:"type"`
	Format           string                   `json:"format"`
	Title            string                   `json:"title"`
	Description      string                   `json:"description"`
	Nullable         bool                     `json:"nullable"`
	Enum             []string                 `json:"enum"`
	Items            *geminiSchema            `json:"items"`
	MinItems         string                   `json:"minItems"`
	MaxItems         string                   `json:"maxItems"`
	Properties       map[string]*geminiSchema `json:"properties"`
	Required         []string                 `json:"required"`
	PropertyOrdering []string                 `json:"propertyOrdering"`
	AnyOf            []*geminiSchema          `json:"anyOf"`
	Minimum          float64                  `json:"minimum"`
	Maximum          float64                  `json:"maximum"`
	Pattern          string                   `json:"pattern"`
	Default          any                      `json:"default"`
	Example          any                      `json:"example"`
}

type geminiRequest struct {
	Contents          []geminiContent `json:"contents"`
	SystemInstruction *geminiContent  `json:"systemInstruction"`
	Tools             []struct {
		Functions []struct {
			Name             string          `json:"name"`
			Description      string          `json:"description"`
			Behavior         string          `json:"behavior"`
			Parameters       *geminiSchema   `json:"parameters"`
			ParametersSchema json.RawMessage `json:"parametersJsonSchema"`
			Response         *geminiSchema   `json:"response"`
			ResponseSchema   json.RawMessage `json:"responseJsonSchema"`
		} `json:"functionDeclarations"`
		GoogleSearch  *struct{} `json:"googleSearch"`
		CodeExecution *struct{} `json:"codeExecution"`
		URLContext    *struct{} `json:"urlContext"`
	} `json:"tools"`
	ToolConfig *struct {
		Calling struct {
			Mode    string   `json:"mode"`
			Allowed []string `json:"allowedFunctionNames"`
		} `json:"functionCallingConfig"`
		Retrieval map[string]any `json:"retrievalConfig"`
	} `json:"toolConfig"`
	Safety []struct {
		Category  string `json:"category"`
		Threshold string `json:"threshold"`
	} `json:"safetySettings"`
	Config struct {
		Temperature      *float64        `json:"temperature"`
		TopP             *float64        `json:"topP"`
		TopK             *float64        `json:"topK"`
		Candidates       int             `json:"candidateCount"`
		Seed             int             `json:"seed"`
		Frequency        float64         `json:"frequencyPenalty"`
		Presence         float64         `json:"presencePenalty"`
		WithLogprobs     bool            `json:"responseLogprobs"`
		Logprobs         int             `json:"logprobs"`
		MaxOutputTokens  int             `json:"maxOutputTokens"`
		StopSequences    []string        `json:"stopSequences"`
		MimeType         string          `json:"responseMimeType"`
		Schema           *geminiSchema   `json:"responseSchema"`
		JSONSchema       json.RawMessage `json:"responseJsonSchema"`
		Modalities       []string        `json:"responseModalities"`
		MediaResolution  string          `json:"mediaResolution"`
		Thinking         *geminiThinking `json:"thinkingConfig"`
		SpeechConfig     map[string]any  `json:"speechConfig"`
		ImageConfig      map[string]any  `json:"imageConfig"`
		EnhancedAnswers  bool            `json:"enableEnhancedCivicAnswers"`
		AudioTimestamp   bool            `json:"audioTimestamp"`
		RoutingConfig    map[string]any  `json:"routingConfig"`
		responseAsSchema json.RawMessage
	} `json:"generationConfig"`
	CachedContent string            `json:"cachedContent"`
	Labels        map[string]string `json:"labels"`
	ServiceTier   string            `json:"serviceTier"`
	Model         string            `json:"model"`
}

type geminiThinking struct {
	Include bool   `json:"includeThoughts"`
	Budget  *int   `json:"thinkingBudget"`
	Level   string `json:"thinkingLevel"`
}

// gemini is one of Google's operations: models/MODEL:METHOD.
func (x *exchange) gemini() {
	_, rest, _ := strings.Cut(x.request.URL.Path, "/models/")
	model, method, ok := strings.Cut(rest, ":")
	x.model = model
	switch {
	case x.request.Method == http.MethodGet && rest == "":
		x.geminiModels()
	case x.request.Method != http.MethodPost || !ok:
		x.refuse(&refusal{status: http.StatusNotFound, message: "Requested entity was not found."})
	case !slices.Contains(x.wall.models, model):
		x.refuse(&refusal{status: http.StatusNotFound, message: "models/" + model + " is not found for API version v1beta, or is not supported for " + method + "."})
	case method == "generateContent":
		x.generate(false)
	case method == "streamGenerateContent":
		x.generate(true)
	case method == "countTokens":
		x.countGemini()
	case method == "batchEmbedContents" && !isVertex(x.request, ""):
		x.embedGemini()
	default:
		x.refuse(&refusal{status: http.StatusNotFound, message: "Requested entity was not found."})
	}
}

// strictly decodes the body, and refuses the fields that are not there.
func (x *exchange) strictly(v any) *refusal {
	d := json.NewDecoder(bytes.NewReader(x.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return invalidArgument("Invalid JSON payload received. %s: Cannot find field.", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (x *exchange) geminiModels() {
	var list []map[string]any
	for _, m := range x.wall.models {
		list = append(list, map[string]any{
			"name": "models/" + m, "displayName": m, "version": "001", "inputTokenLimit": 1048576, "outputTokenLimit": 65536,
			"supportedGenerationMethods": []string{"generateContent", "countTokens"},
		})
	}
	x.json(map[string]any{"models": list})
}

func (x *exchange) countGemini() {
	var q struct {
		Contents []geminiContent `json:"contents"`
		Request  *geminiRequest  `json:"generateContentRequest"`
	}
	if r := x.strictly(&q); r != nil {
		x.refuse(r)
		return
	}
	if q.Request != nil && q.Request.Model != "models/"+x.model {
		x.refuse(invalidArgument("* CountTokensRequest.generate_content_request.model: unexpected model name format"))
		return
	}
	x.json(map[string]any{"totalTokens": tokens(len(x.body)), "promptTokensDetails": []any{}})
}

func (x *exchange) embedGemini() {
	var q struct {
		Requests []struct {
			Model      string        `json:"model"`
			Content    geminiContent `json:"content"`
			TaskType   string        `json:"taskType"`
			Title      string        `json:"title"`
			Dimensions int           `json:"outputDimensionality"`
		} `json:"requests"`
	}
	if r := x.strictly(&q); r != nil {
		x.refuse(r)
		return
	}
	var all []any
	for i, one := range q.Requests {
		if one.Model != "models/"+x.model {
			x.refuse(invalidArgument("* BatchEmbedContentsRequest.requests[%d].model: it is not the model of the batch", i))
			return
		}
		if len(one.Content.Parts) != 1 || one.Content.Parts[0].Text == nil || *one.Content.Parts[0].Text == "" {
			x.refuse(invalidArgument("* BatchEmbedContentsRequest.requests[%d].content: content is empty", i))
			return
		}
		n := one.Dimensions
		if n == 0 {
			n = maxDimensions
		}
		all = append(all, map[string]any{"values": vector(*one.Content.Parts[0].Text, n)})
	}
	x.json(map[string]any{"embeddings": all, "usageMetadata": map[string]any{"promptTokenCount": tokens(len(x.body))}})
}

// geminiPrompt is what the wall understands of a request of Google's.
type geminiPrompt struct {
	prompt
	thinks, shows bool
	candidates    int
}

// readGemini reads and judges a request as Google does.
func (x *exchange) readGemini() (*geminiPrompt, *refusal) {
	var q geminiRequest
	if r := x.strictly(&q); r != nil {
		return nil, r
	}
	if isVertex(x.request, "") && q.ServiceTier != "" {
		return nil, invalidArgument(`Invalid JSON payload received. Unknown name "serviceTier": Cannot find field.`)
	}
	p := &geminiPrompt{candidates: max(1, q.Config.Candidates)}
	if r := x.readGeminiTurns(&q, p); r != nil {
		return nil, r
	}
	for _, t := range q.Tools {
		for _, f := range t.Functions {
			schema := f.ParametersSchema
			switch {
			case f.Name == "":
				return nil, invalidArgument("* GenerateContentRequest.tools[0].function_declarations[0].name: [FIELD_INVALID]")
			case f.Parameters != nil && len(schema) > 0:
				return nil, invalidArgument("parameters and parameters_json_schema are mutually exclusive")
			case f.Parameters != nil:
				schema = encode(f.Parameters.plain())
			case len(schema) == 0:
				schema = json.RawMessage(`{"type":"object"}`)
			}
			p.tools = append(p.tools, tool{f.Name, schema})
		}
	}
	if c := q.ToolConfig; c != nil && len(p.tools) == 0 && c.Calling.Mode != "" {
		return nil, invalidArgument("Function calling config is set without function_declarations.")
	} else if c != nil {
		switch c.Calling.Mode {
		case "", "AUTO", "VALIDATED", "ANY", "MODE_UNSPECIFIED":
		case "NONE":
			p.choice.mode = "none"
		default:
			return nil, invalidArgument("Invalid value at 'tool_config.function_calling_config.mode', %q", c.Calling.Mode)
		}
		if len(c.Calling.Allowed) > 0 && c.Calling.Mode != "ANY" && c.Calling.Mode != "VALIDATED" {
			return nil, invalidArgument("allowed_function_names should only be set when the mode is ANY.")
		}
		p.tools = slices.DeleteFunc(p.tools, func(t tool) bool {
			return len(c.Calling.Allowed) > 0 && !slices.Contains(c.Calling.Allowed, t.name)
		})
	}
	return p, x.readGeminiConfig(&q, p)
}

// plain is a schema in JSON Schema's words.
func (s *geminiSchema) plain() map[string]any {
	out := map[string]any{"type": strings.ToLower(s.Type)}
	if s.Properties != nil {
		properties := map[string]any{}
		for name, inner := range s.Properties {
			properties[name] = inner.plain()
		}
		out["properties"], out["required"] = properties, s.Required
	}
	if s.Items != nil {
		out["items"] = s.Items.plain()
	}
	return out
}

func (x *exchange) readGeminiTurns(q *geminiRequest, p *geminiPrompt) *refusal {
	if len(q.Contents) == 0 {
		return invalidArgument("* GenerateContentRequest.contents: contents is not specified")
	}
	asked := 0
	for i, c := range q.Contents {
		if len(c.Parts) == 0 {
			return invalidArgument("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		if c.Role != "" && c.Role != "user" && c.Role != "model" && c.Role != "function" {
			return invalidArgument("Please use a valid role: user, model.")
		}
		calls, results := 0, 0
		for j, part := range c.Parts {
			if r := x.readGeminiPart(&part, p, fmt.Sprintf("contents[%d].parts[%d]", i, j), c.Role != "model"); r != nil {
				return r
			}
			if part.FunctionCall != nil {
				if calls++; calls == 1 && strings.HasPrefix(x.model, "gemini-3") && part.Signature != geminiSignature && part.Signature != skipped {
					return invalidArgument("Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly.")
				}
			}
			if part.FunctionResponse != nil {
				results++
			}
		}
		switch {
		case calls > 0 && (i == 0 || q.Contents[i-1].Role == "model"):
			return invalidArgument("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
		case results != asked:
			return invalidArgument("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		case c.Role != "model" && results == 0:
			p.results = nil
		}
		asked = calls
	}
	if s := q.SystemInstruction; s != nil {
		for _, part := range s.Parts {
			if part.Text == nil || *part.Text == "" {
				return invalidArgument("system_instruction: it must be text")
			}
			p.single = p.single || strings.Contains(*part.Text, "no more than one tool")
		}
	}
	return nil
}

// readGeminiPart judges a part, which is one thing.
func (x *exchange) readGeminiPart(part *geminiPart, p *geminiPrompt, at string, user bool) *refusal {
	things := 0
	for _, is := range []bool{
		part.Text != nil, part.InlineData != nil, part.FunctionCall != nil, part.FunctionResponse != nil, part.FileData != nil,
		part.ExecutableCode != nil, part.CodeExecutionResult != nil,
	} {
		if is {
			things++
		}
	}
	if things != 1 {
		return invalidArgument("* GenerateContentRequest.%s.data: required oneof field 'data' must have one initialized field", at)
	}
	if part.Signature != "" && part.Signature != geminiSignature && part.Signature != skipped {
		return invalidArgument("Corrupted thought signature.")
	}
	switch {
	case part.Text != nil && user:
		if p.results == nil {
			p.text = ""
		}
		p.text += *part.Text
	case part.InlineData != nil:
		if part.InlineData.MimeType == "" || len(part.InlineData.Data) == 0 {
			return invalidArgument("* GenerateContentRequest.%s.inline_data: mime_type and data are required", at)
		}
		p.images++
	case part.FileData != nil:
		if !strings.HasPrefix(part.FileData.FileURI, "gs://") && !strings.Contains(part.FileData.FileURI, "youtu") {
			return invalidArgument("Invalid or unsupported file uri: %s", part.FileData.FileURI)
		}
		p.images++
	case part.FunctionResponse != nil:
		if part.FunctionResponse.Name == "" || part.FunctionResponse.Response == nil || !user {
			return invalidArgument("* GenerateContentRequest.%s.function_response.name: [REQUIRED_FIELD_MISSING]", at)
		}
		for _, said := range part.FunctionResponse.Response {
			p.results = append(p.results, fmt.Sprint(said))
		}
	case part.FunctionCall != nil && user:
		return invalidArgument("Please use a valid role: user, model.")
	}
	return nil
}

func (x *exchange) readGeminiConfig(q *geminiRequest, p *geminiPrompt) *refusal {
	c := &q.Config
	switch c.MimeType {
	case "", "text/plain", "application/json":
	default:
		return invalidArgument("generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json` and `text/x.enum`.")
	}
	if c.Schema != nil {
		c.responseAsSchema = encode(c.Schema.plain())
	}
	if len(c.JSONSchema) > 0 {
		c.responseAsSchema = c.JSONSchema
	}
	switch {
	case c.Schema != nil && len(c.JSONSchema) > 0:
		return invalidArgument("response_schema and response_json_schema are mutually exclusive")
	case len(c.responseAsSchema) > 0 && c.MimeType != "application/json":
		return invalidArgument("response_schema is only supported when response_mime_type is application/json")
	case len(c.StopSequences) > 5:
		return invalidArgument("The number of stop sequences must be at most 5.")
	case p.candidates > 8:
		return invalidArgument("candidate_count must be between 1 and 8")
	case c.Logprobs > 0 && !c.WithLogprobs:
		return invalidArgument("logprobs is only valid if response_logprobs is true")
	}
	if t := c.Thinking; t != nil {
		switch {
		case t.Budget != nil && t.Level != "":
			return invalidArgument("You can only set only one of thinking budget and thinking level.")
		case t.Level != "" && !strings.HasPrefix(x.model, "gemini-3"):
			return invalidArgument("Thinking level is not supported for this model.")
		case t.Level != "" && !slices.Contains([]string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}, t.Level):
			return invalidArgument("Invalid value at 'generation_config.thinking_config.thinking_level', %q", t.Level)
		case t.Budget != nil && (*t.Budget < -1 || *t.Budget > 32768):
			return invalidArgument("The thinking budget %d is invalid.", *t.Budget)
		}
		p.thinks, p.shows = t.Budget == nil || *t.Budget != 0, t.Include
	}
	p.limit, p.stops, p.schema = c.MaxOutputTokens, c.StopSequences, c.responseAsSchema
	p.anyJSON = c.MimeType == "application/json" && p.schema == nil
	return nil
}

func (x *exchange) generate(stream bool) {
	x.stream = stream
	p, refused := x.readGemini()
	if refused != nil {
		x.refuse(refused)
		return
	}
	r := x.wall.reply(p.prompt)
	id := x.id("resp")
	event := func(candidates []any, usage map[string]any) []byte {
		body := map[string]any{"candidates": candidates, "modelVersion": x.model, "responseId": id}
		if usage != nil {
			body["usageMetadata"] = usage
		}
		return encode(body)
	}
	if !stream {
		var all []any
		for i := range p.candidates {
			whole := r
			whole.pieces = []string{r.text()}
			var parts []any
			for _, one := range x.geminiParts(p, whole) {
				parts = append(parts, one...)
			}
			all = append(all, map[string]any{
				"content": map[string]any{"parts": parts, "role": "model"}, "finishReason": r.geminiFinish(), "index": i,
				"safetyRatings": []any{map[string]any{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}},
			})
		}
		x.whole(http.StatusOK, "application/json; charset=UTF-8", event(all, x.geminiUsage(p, r)))
		return
	}
	if x.request.URL.Query().Get("alt") != "sse" {
		x.refuse(invalidArgument("this wall streams events alone"))
		return
	}
	x.open()
	pieces := x.geminiParts(p, r)
	for i, parts := range pieces {
		c := map[string]any{"content": map[string]any{"parts": parts, "role": "model"}, "index": 0}
		var usage map[string]any
		if i == len(pieces)-1 { // there is no other terminator
			c["finishReason"], usage = r.geminiFinish(), x.geminiUsage(p, r)
			x.last([]byte("data: " + string(event([]any{c}, usage)) + "\r\n\r\n"))
			return
		}
		if !x.event([]byte("data: " + string(event([]any{c}, usage)) + "\r\n\r\n")) {
			return
		}
	}
}

// geminiParts are what the wall says, event by event.
func (x *exchange) geminiParts(p *geminiPrompt, r reply) (pieces [][]any) {
	if p.thinks && p.shows {
		pieces = append(pieces, []any{map[string]any{"text": thought, "thought": true}})
	}
	if len(r.calls) == 0 {
		for _, said := range r.pieces {
			pieces = append(pieces, []any{map[string]any{"text": said}})
		}
		return append(pieces, []any{map[string]any{"text": "", "thoughtSignature": geminiSignature}})
	}
	var calls []any
	for i, c := range r.calls {
		call := map[string]any{"functionCall": map[string]any{"name": c.name, "args": json.RawMessage(c.arguments), "id": "fc-" + strconv.Itoa(i) + x.id("-")}}
		if i == 0 { // as with calls at once
			call["thoughtSignature"] = geminiSignature
		}
		calls = append(calls, call)
	}
	return append(pieces, calls)
}

func (r reply) geminiFinish() string {
	if r.finish == "length" {
		return "MAX_TOKENS"
	}
	return "STOP"
}

func (x *exchange) geminiUsage(p *geminiPrompt, r reply) map[string]any {
	u := map[string]any{"promptTokenCount": tokens(len(x.body)), "candidatesTokenCount": r.tokens()}
	total := tokens(len(x.body)) + r.tokens()
	if p.thinks {
		u["thoughtsTokenCount"] = 1
		total++
	}
	u["totalTokenCount"] = total
	return u
}
