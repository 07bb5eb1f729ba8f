package hub

// Fields are those that the request has.
func (q *Request) Fields() Set {
	var s Set
	for f := range fieldCount {
		if q.Has(f) {
			s.add(f)
		}
	}
	add := func(f Field, is bool) {
		if is {
			s.add(f)
		}
	}
	add(MaxTokens, q.MaxTokens > 0)
	add(NoMaxTokens, q.MaxTokens == 0)
	add(Stop, len(q.Stop) > 0)
	add(Streaming, q.Stream)
	add(JSONMode, q.Output.Form == JSONObject)
	add(Schema, q.Output.Form == JSONSchema)
	add(ToolChoiceField, q.Choice.Choice != Unsaid && q.Choice.Choice != ForeignChoice)
	add(AllowedTools, q.Choice.Choice == ForeignChoice)
	add(ParallelCalls, q.Choice.Single || q.Choice.Parallel)
	add(ReasoningEffort, q.Reasoning.Effort != "" || q.Reasoning.Adaptive || q.Reasoning.Off || q.Reasoning.Hidden || q.Reasoning.Shown)
	add(ReasoningBudget, q.Reasoning.Budget > 0)
	add(ForeignFields, len(q.Foreign) > 0)
	for i := range q.Tools {
		t := &q.Tools[i]
		add(Tools, t.Custom == nil && t.Foreign.Format == "")
		add(CustomTools, t.Custom != nil)
		add(ForeignTools, t.Foreign.Format != "")
		add(StrictTools, string(t.Strict) == "true")
		add(CacheMarks, t.Cache != nil)
	}
	begun := false // the talk, by somebody else than the system
	for i := range q.Messages {
		m := &q.Messages[i]
		add(Names, len(m.Name) > 0)
		switch m.Role {
		case System, Developer:
			add(SystemMessages, m.Role == System)
			add(DeveloperMessages, m.Role == Developer)
			add(LaterSystem, begun)
		case ToolRole:
			begun = true
			add(ToolResults, true)
			add(ToolFailed, m.Failed)
			add(CacheMarks, m.Cache != nil)
		default:
			begun = true
		}
		for j := range m.Parts {
			m.Parts[j].fields(m.Role, add)
		}
	}
	if n := len(q.Messages); n > 0 {
		add(Prefills, q.Messages[n-1].Role == Assistant)
	}
	return s
}

func (p *Part) fields(role Role, add func(Field, bool)) {
	add(CacheMarks, p.Cache != nil)
	switch p.Kind {
	case RefusalPart:
		add(Refusals, true)
	case ImagePart:
		add(ImageURL, len(p.URL) > 0)
		add(ImageData, len(p.Data) > 0)
		add(ImageFile, len(p.FileID) > 0)
		add(ImageDetail, len(p.Detail) > 0)
		add(ToolResultImages, role == ToolRole)
	case FilePart:
		add(FileURL, len(p.URL) > 0)
		add(FileID, len(p.FileID) > 0)
		add(TextFile, len(p.Text) > 0)
		add(PDF, len(p.Data) > 0)
		add(CitationsWanted, p.Citations != nil)
		add(ToolResultImages, role == ToolRole)
	case AudioPart:
		add(AudioIn, true)
	case CallPart:
		add(Calls, true)
	case ThoughtPart:
		add(Thoughts, true)
	case RedactedPart:
		add(RedactedThoughts, true)
	case ForeignPart:
		add(ForeignParts, true)
	}
}
