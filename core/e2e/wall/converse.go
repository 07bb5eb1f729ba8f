package wall

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Amazon Bedrock's Converse and ConverseStream, beside OpenAI's API. Shapes are those of the Smithy model of
// bedrock-runtime, as github.com/aws/aws-sdk-go-v2/service/bedrockruntime v1.63.13 has it; what is refused is what
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and the pages it leads to say.

// The members of ConverseRequest but modelId, which is in the path.
var converseFields = fields(`messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields promptVariables
	additionalModelResponseFieldPaths requestMetadata performanceConfig serviceTier outputConfig`)

// BedrockModel is one that a wall serves as Bedrock does; its id has a colon.
const BedrockModel = "anthropic.claude-sonnet-5-v1:0"

// BedrockRegion is where a wall takes signatures for.
const BedrockRegion = "us-east-1"

// bedrockPath is /v1/model/MODEL/converse or converse-stream; /v1 is the wall's own.
const bedrockPath = "/v1/model/"

func isBedrock(r *http.Request) bool { return strings.HasPrefix(r.URL.EscapedPath(), bedrockPath) }

// parseBedrock reads what the path says.
func (x *exchange) parseBedrock() {
	id, method, _ := strings.Cut(strings.TrimPrefix(x.request.URL.EscapedPath(), bedrockPath), "/")
	x.model, _ = url.PathUnescape(id) // of a path that net/http has parsed
	x.stream = method == "converse-stream"
}

// admitBedrock checks a Bedrock API key or a signature.
func (w *Wall) admitBedrock(r *http.Request, body []byte) *refusal {
	if len(w.keys) == 0 {
		return nil
	}
	if key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); bearer {
		if !slices.Contains(w.keys, key) {
			return exception(http.StatusForbidden, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")
		}
		return nil
	}
	err := fmt.Errorf("MissingAuthenticationTokenException: Missing Authentication Token")
	for _, key := range w.keys {
		if !strings.Contains(key, ":") {
			continue
		}
		if err = signed(r, body, key, BedrockRegion, "bedrock"); err == nil {
			return nil
		}
	}
	kind, message, _ := strings.Cut(err.Error(), ": ")
	return exception(http.StatusForbidden, kind, "%s", message)
}

// exception is an error of AWS's: its name is in a header.
func exception(status int, kind, format string, args ...any) *refusal {
	return &refusal{status: status, kind: kind, message: fmt.Sprintf(format, args...), header: map[string]string{"X-Amzn-Errortype": kind + ":http://internal.amazon.com/coral/"}}
}

func invalidly(format string, args ...any) *refusal {
	return exception(http.StatusBadRequest, "ValidationException", format, args...)
}

// bedrockBody is AWS's error shape, and the header that belongs to it.
func (r *refusal) bedrockBody(h http.Header) []byte {
	if h.Get("X-Amzn-Errortype") == "" {
		kind := "ValidationException"
		switch {
		case r.status == http.StatusTooManyRequests:
			kind = "ThrottlingException"
		case r.status == http.StatusNotFound:
			kind = "ResourceNotFoundException"
		case r.status == http.StatusForbidden, r.status == http.StatusUnauthorized:
			kind = "AccessDeniedException"
		case r.status == http.StatusServiceUnavailable, r.status == 529:
			kind = "ServiceUnavailableException"
		case r.status >= http.StatusInternalServerError:
			kind = "InternalServerException"
		}
		h.Set("X-Amzn-Errortype", kind)
	}
	return encode(map[string]any{"message": r.message})
}

// frame is a message of application/vnd.amazon.eventstream: https://smithy.io/2.0/aws/amazon-eventstream.html
func frame(payload []byte, headers ...string) []byte {
	var h []byte
	for i := 0; i < len(headers); i += 2 {
		h = append(append(append(h, byte(len(headers[i]))), headers[i]...), 7)
		h = append(binary.BigEndian.AppendUint16(h, uint16(len(headers[i+1]))), headers[i+1]...)
	}
	const around = 16 // the prelude and two checksums
	b := binary.BigEndian.AppendUint32(nil, uint32(around+len(h)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, h...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// exceptionFrame ends a stream.
func exceptionFrame(kind, message string) []byte {
	return frame(encode(map[string]any{"message": message}), ":exception-type", kind, ":content-type", "application/json", ":message-type", "exception")
}

func (x *exchange) converse() {
	q, refused := x.converseRequest()
	if refused != nil {
		x.refuse(refused)
		return
	}
	r := x.wall.reply(q.prompt)
	if x.stream {
		x.streamConverse(q, r)
		return
	}
	content := []any{}
	if q.think {
		content = append(content, map[string]any{"reasoningContent": map[string]any{"reasoningText": map[string]any{"text": thought, "signature": signature}}})
	}
	if len(r.calls) == 0 {
		content = append(content, map[string]any{"text": r.text()})
	}
	for _, c := range r.calls {
		content = append(content, map[string]any{"toolUse": map[string]any{"toolUseId": x.id("tooluse_"), "name": c.name, "input": json.RawMessage(c.arguments)}})
	}
	x.json(map[string]any{
		"output":     map[string]any{"message": map[string]any{"role": "assistant", "content": content}},
		"stopReason": r.claudeFinish(), "usage": x.converseUsage(q, r), "metrics": map[string]any{"latencyMs": 1},
	})
}

func (x *exchange) converseUsage(q *messageRequest, r reply) map[string]any {
	u := map[string]any{"inputTokens": tokens(q.size), "outputTokens": r.tokens(), "totalTokens": tokens(q.size) + r.tokens()}
	if strings.Contains(string(x.body), `"cachePoint"`) {
		u["cacheReadInputTokens"], u["cacheWriteInputTokens"] = 3, 2
	}
	return u
}

func (x *exchange) streamConverse(q *messageRequest, r reply) {
	x.openAs("application/vnd.amazon.eventstream")
	event := func(kind string, fields map[string]any) []byte {
		fields["p"] = "abcdefghijk" // the service pads its events so that their length tells nothing
		return frame(encode(fields), ":event-type", kind, ":content-type", "application/json", ":message-type", "event")
	}
	send := func(kind string, fields map[string]any) bool { return x.event(event(kind, fields)) }
	if !send("messageStart", map[string]any{"role": "assistant"}) {
		return
	}
	index := 0
	show := func(start map[string]any, deltas ...map[string]any) bool {
		if start != nil && !send("contentBlockStart", map[string]any{"contentBlockIndex": index, "start": start}) {
			return false
		}
		for _, d := range deltas {
			if !send("contentBlockDelta", map[string]any{"contentBlockIndex": index, "delta": d}) {
				return false
			}
		}
		index++
		return send("contentBlockStop", map[string]any{"contentBlockIndex": index - 1})
	}
	think := func(field, text string) map[string]any {
		return map[string]any{"reasoningContent": map[string]any{field: text}}
	}
	if q.think && !show(nil, think("text", thought[:9]), think("text", thought[9:]), think("signature", signature)) {
		return
	}
	if len(r.calls) == 0 {
		var deltas []map[string]any
		for _, p := range r.pieces {
			deltas = append(deltas, map[string]any{"text": p})
		}
		if !show(nil, deltas...) {
			return
		}
	}
	for _, c := range r.calls {
		var deltas []map[string]any
		for _, p := range cut(c.arguments) {
			deltas = append(deltas, map[string]any{"toolUse": map[string]any{"input": p}})
		}
		if !show(map[string]any{"toolUse": map[string]any{"toolUseId": x.id("tooluse_"), "name": c.name}}, deltas...) {
			return
		}
	}
	// A cut must come before the stream looks finished.
	if x.cut != nil && !x.strikeNow() {
		return
	}
	if send("messageStop", map[string]any{"stopReason": r.claudeFinish()}) {
		x.last(event("metadata", map[string]any{"usage": x.converseUsage(q, r), "metrics": map[string]any{"latencyMs": 1}}))
	}
}

// converseRequest reads and judges a request as Bedrock does.
func (x *exchange) converseRequest() (*messageRequest, *refusal) {
	for name := range x.fields {
		if !converseFields[name] {
			return nil, invalidly("Malformed input request: #: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
		}
	}
	if !slices.Contains(x.wall.models, x.model) {
		return nil, invalidly("The provided model identifier is invalid.")
	}
	q := &messageRequest{size: len(x.body)}
	for _, read := range []func(*messageRequest) *refusal{x.readInference, x.readToolConfig, x.readConverseTurns, x.readConverseThinking} {
		if r := read(q); r != nil {
			return nil, r
		}
	}
	return q, nil
}

// only refuses members of an object that are not known.
func only(raw json.RawMessage, at, names string) *refusal {
	if len(raw) == 0 {
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return invalidly("%s: expected an object", at)
	}
	known := fields(names)
	for name := range object {
		if !known[name] {
			return invalidly("Malformed input request: #/%s: extraneous key [%s] is not permitted", at, name)
		}
	}
	return nil
}

func (x *exchange) readInference(q *messageRequest) *refusal {
	var c struct {
		MaxTokens     *int     `json:"maxTokens"`
		Temperature   *float64 `json:"temperature"`
		TopP          *float64 `json:"topP"`
		StopSequences []string `json:"stopSequences"`
	}
	if r := only(x.fields["inferenceConfig"], "inferenceConfig", "maxTokens temperature topP stopSequences"); r != nil {
		return r
	}
	if x.decode("inferenceConfig", "an object", &c) != nil {
		return invalidly("inferenceConfig: malformed")
	}
	switch {
	case c.MaxTokens != nil && *c.MaxTokens < 1:
		return invalidly("Value at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater than or equal to 1")
	case c.Temperature != nil && (*c.Temperature < 0 || *c.Temperature > 1), c.TopP != nil && (*c.TopP < 0 || *c.TopP > 1):
		return invalidly("Value at 'inferenceConfig' failed to satisfy constraint: Member must have value less than or equal to 1")
	case c.Temperature != nil && c.TopP != nil && strings.Contains(x.model, "claude"):
		return invalidly("The model returned the following errors: `temperature` and `top_p` cannot both be specified for this model. Please use only one.")
	}
	if c.MaxTokens != nil {
		q.limit = *c.MaxTokens
	}
	q.stops = c.StopSequences
	return nil
}

// Names and ids, as the model's patterns have them.
var (
	toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	fileName = regexp.MustCompile(`^[a-zA-Z0-9()\[\]-]+( [a-zA-Z0-9()\[\]-]+)*$`)
)

func (x *exchange) readToolConfig(q *messageRequest) *refusal {
	if !x.has("toolConfig") {
		return nil
	}
	if r := only(x.fields["toolConfig"], "toolConfig", "tools toolChoice"); r != nil {
		return r
	}
	var c struct {
		Tools []struct {
			ToolSpec *struct {
				Name        string
				Description *string
				InputSchema struct{ JSON json.RawMessage }
			}
			CachePoint *struct{ Type string }
		}
		ToolChoice map[string]struct{ Name string }
	}
	if x.decode("toolConfig", "an object", &c) != nil || len(c.Tools) == 0 {
		return invalidly("Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	for i, t := range c.Tools {
		switch {
		case t.ToolSpec == nil && (t.CachePoint == nil || t.CachePoint.Type != "default"):
			return invalidly("toolConfig.tools.%d: Invalid union structure", i)
		case t.ToolSpec == nil:
			continue
		case !toolName.MatchString(t.ToolSpec.Name):
			return invalidly("Value '%s' at 'toolConfig.tools.%d.member.toolSpec.name' failed to satisfy constraint", t.ToolSpec.Name, i)
		case t.ToolSpec.Description != nil && *t.ToolSpec.Description == "":
			return invalidly("Invalid length for parameter toolConfig.tools[%d].toolSpec.description, value: 0, valid min length: 1", i)
		case !strings.Contains(string(t.ToolSpec.InputSchema.JSON), `"type"`):
			return invalidly("toolConfig.tools.%d.toolSpec.inputSchema.json.type must be one of the following: object.", i)
		}
		q.tools = append(q.tools, tool{t.ToolSpec.Name, t.ToolSpec.InputSchema.JSON})
	}
	if len(c.ToolChoice) > 1 {
		return invalidly("toolConfig.toolChoice: Invalid union structure")
	}
	for kind, v := range c.ToolChoice {
		switch kind {
		case "auto", "any":
		case "tool":
			q.choice.name = v.Name
		default:
			return invalidly("toolConfig.toolChoice: Unknown union member %s", kind)
		}
	}
	return nil
}

// converseBlock is a ContentBlock: one of its members is there.
type converseBlock struct {
	Text  *string
	Image *struct {
		Format string
		Source converseSource
	}
	Document *struct {
		Format, Name string
		Source       converseSource
	}
	ToolUse *struct {
		ToolUseID, Name string
		Input           json.RawMessage
	}
	ToolResult *struct {
		ToolUseID, Status string
		Content           []converseBlock
	}
	ReasoningContent *struct {
		ReasoningText   *struct{ Text, Signature string }
		RedactedContent *string
	}
	CachePoint *struct{ Type, TTL string }
}

type converseSource struct {
	Bytes      *string
	S3Location *struct{ URI string }
}

func (s *converseSource) holds() bool {
	if s.S3Location != nil {
		return strings.HasPrefix(s.S3Location.URI, "s3://")
	}
	if s.Bytes == nil {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(*s.Bytes)
	return err == nil && len(b) > 0
}

func (x *exchange) readConverseTurns(q *messageRequest) *refusal {
	var turns []struct {
		Role    string
		Content []converseBlock
	}
	if x.decode("messages", "an array", &turns) != nil || len(turns) == 0 {
		return invalidly("The messages field is required")
	}
	if turns[0].Role != "user" {
		return invalidly("A conversation must start with a user message. Try again with a conversation that starts with a user message.")
	}
	var asked map[string]bool
	names := map[string]bool{}
	for i, m := range turns {
		switch {
		case m.Role != "user" && m.Role != "assistant":
			return invalidly("Value '%s' at 'messages.%d.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]", m.Role, i)
		case i > 0 && m.Role == turns[i-1].Role:
			return invalidly("A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.")
		case len(m.Content) == 0:
			return invalidly("The content field in the Message object at messages.%d is empty. Add a ContentBlock object to the content field and try again.", i)
		}
		results := map[string]bool{}
		for _, b := range m.Content {
			if b.ToolResult != nil {
				results[b.ToolResult.ToolUseID] = true
			}
		}
		for id := range asked {
			if !results[id] {
				return invalidly("Expected toolResult blocks at messages.%d.content for the following Ids: %s", i, id)
			}
		}
		before := asked
		asked = map[string]bool{}
		if m.Role == "user" {
			q.text, q.results = "", nil
		}
		for j := range m.Content {
			b, at := &m.Content[j], fmt.Sprintf("messages.%d.content.%d", i, j)
			if r := x.readConverseBlock(q, m.Role, b, at, before, asked); r != nil {
				return r
			}
			if b.Document != nil {
				if names[b.Document.Name] {
					return invalidly("%s: duplicate document names", at)
				}
				names[b.Document.Name] = true
			}
		}
	}
	var system []converseBlock
	if x.decode("system", "an array", &system) != nil {
		return invalidly("system: expected an array")
	}
	for i, b := range system {
		if b.CachePoint == nil && (b.Text == nil || strings.TrimSpace(*b.Text) == "") {
			return invalidly("The text field in the SystemContentBlock at system.%d is blank.", i)
		}
		if b.Text != nil {
			q.system += *b.Text
			q.anyJSON = q.anyJSON || strings.Contains(*b.Text, "JSON object")
			q.single = q.single || strings.Contains(*b.Text, "at most one tool")
			if strings.Contains(*b.Text, "not call any tool") {
				q.choice.mode = "none"
			}
		}
	}
	return nil
}

func (x *exchange) readConverseBlock(q *messageRequest, role string, b *converseBlock, at string, asked, open map[string]bool) *refusal {
	switch {
	case b.Text != nil:
		if strings.TrimSpace(*b.Text) == "" {
			return invalidly("The text field in the ContentBlock object at %s is blank. Add text to the text field, and try again.", at)
		}
		if role == "user" {
			q.text += *b.Text
		}
	case b.Image != nil:
		if !slices.Contains([]string{"png", "jpeg", "gif", "webp"}, b.Image.Format) || !b.Image.Source.holds() {
			return invalidly("%s.image: could not be processed", at)
		}
		q.images++
	case b.Document != nil:
		if !slices.Contains(strings.Fields("pdf csv doc docx xls xlsx html txt md"), b.Document.Format) || !b.Document.Source.holds() {
			return invalidly("%s.document: could not be processed", at)
		}
		if !fileName.MatchString(b.Document.Name) {
			return invalidly("%s: The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets.", at)
		}
		q.images++
	case b.ToolUse != nil:
		if role != "assistant" || len(b.ToolUse.Input) == 0 || b.ToolUse.Input[0] != '{' || !toolName.MatchString(b.ToolUse.ToolUseID) {
			return invalidly("The format of the value at %s.toolUse.input is invalid. Provide a json object for the field and try again.", at)
		}
		open[b.ToolUse.ToolUseID] = true
	case b.ToolResult != nil:
		if role != "user" || !asked[b.ToolResult.ToolUseID] {
			return invalidly("The number of toolResult blocks at %s exceeds the number of toolUse blocks of previous turn.", at)
		}
		said := ""
		for _, c := range b.ToolResult.Content {
			if c.Text != nil {
				said += *c.Text
			}
			if c.Image != nil {
				q.images++
			}
		}
		q.results = append(q.results, said)
	case b.ReasoningContent != nil:
		if t := b.ReasoningContent.ReasoningText; role != "assistant" || t != nil && t.Signature != signature {
			return invalidly("The model returned the following errors: %s: Invalid `signature` in `thinking` block", at)
		}
	case b.CachePoint != nil:
		if b.CachePoint.Type != "default" {
			return invalidly("%s.cachePoint.type: unknown", at)
		}
	default:
		return invalidly("%s: Invalid union structure: no member is set", at)
	}
	if (b.ToolUse != nil || b.ToolResult != nil) && !x.has("toolConfig") {
		return invalidly("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
	}
	return nil
}

func (x *exchange) readConverseThinking(q *messageRequest) *refusal {
	var more struct {
		Thinking *struct {
			Type   string
			Budget int `json:"budget_tokens"`
		}
	}
	var out struct {
		Effort     *string
		TextFormat *struct {
			Type      string
			Structure struct{ JSONSchema struct{ Schema string } }
		}
	}
	if r := only(x.fields["outputConfig"], "outputConfig", "effort textFormat"); r != nil {
		return r
	}
	if x.decode("additionalModelRequestFields", "an object", &more) != nil || x.decode("outputConfig", "an object", &out) != nil {
		return invalidly("additionalModelRequestFields or outputConfig: malformed")
	}
	if t := more.Thinking; t != nil && t.Type != "disabled" {
		switch {
		case t.Type == "enabled" && t.Budget < 1024:
			return invalidly("The model returned the following errors: thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
		case t.Type == "enabled" && q.limit > 0 && t.Budget >= q.limit:
			return invalidly("The model returned the following errors: `max_tokens` must be greater than `thinking.budget_tokens`")
		case strings.Contains(string(x.fields["inferenceConfig"]), `"temperature"`):
			return invalidly("The model returned the following errors: `temperature` may only be set to 1 when thinking is enabled")
		case q.choice.name != "":
			return invalidly("The model returned the following errors: Thinking may not be enabled when tool_choice forces tool use.")
		}
		q.think = true
	}
	if out.Effort != nil && !slices.Contains(strings.Fields("low medium high xhigh max"), *out.Effort) {
		return invalidly("outputConfig.effort: unknown value %s", *out.Effort)
	}
	if f := out.TextFormat; f != nil {
		if f.Type != "json_schema" || !json.Valid([]byte(f.Structure.JSONSchema.Schema)) {
			return invalidly("outputConfig.textFormat: malformed")
		}
		q.schema = json.RawMessage(f.Structure.JSONSchema.Schema)
	}
	return nil
}
