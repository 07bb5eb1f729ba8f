package wire

// Class says what one event of a stream means for those who forward it. It is
// a set; 0 is an event of no consequence, such as a comment or a role.
type Class uint16

// The classes.
const (
	Text      Class = 1 << iota // a piece of the answer
	Reasoning                   // a piece of what the model thinks, or its summary
	Refusal                     // a piece of a refusal
	ToolCall                    // a tool's name or a piece of its arguments
	Media                       // a piece of audio or an image
	Finished                    // the model says why it stopped
	HasUsage                    // the tokens are counted in it
	UsageOnly                   // and nothing else is in it: the chunk that include_usage asks for
	Failed                      // an error instead of an answer, or in its middle
	Done                        // the terminator: nothing follows
)

// Content tells whether the event carries a part of the answer. The first that
// does commits the response.
func (c Class) Content() bool { return c&(Text|Reasoning|Refusal|ToolCall|Media) != 0 }

// Is tells whether the event is of any of the classes.
func (c Class) Is(any Class) bool { return c&any != 0 }

// Progress sums up the events of a stream so far. The zero Progress is a
// stream of which nothing was seen.
type Progress struct {
	Events int // of any class
	Seen   Class
}

// Add notes an event and tells whether it is the first one with content.
func (p *Progress) Add(c Class) (commits bool) {
	commits = c.Content() && !p.Seen.Content()
	p.Events++
	p.Seen |= c
	return commits
}

// Truncated tells whether a stream that ends now was cut off: the model never
// said why it stopped, no terminator came, and no error explains it.
func (p *Progress) Truncated() bool { return !p.Seen.Is(Finished | Done | Failed) }
