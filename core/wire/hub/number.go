package hub

// numbers are those of the calls in a stream, from 0 on in each choice. Some
// providers count from elsewhere, or say 0 of each call and tell them apart by
// their ids alone.
type numbers struct {
	count map[int64]int64  // of a choice's calls
	last  map[index]*begun // the call that was last spoken of at an index
	byID  map[name]*begun
}

// index is what the provider says of a choice and a call.
type index struct{ choice, call int64 }

type name struct {
	index
	id string
}

type begun struct {
	number    int64
	id, named bool // it has one
}

// give numbers what a delta adds to a call of a choice. A name with an id that
// is new begins a call; an id alone does not: some make up one for each piece.
func (s *numbers) give(choice int64, d *CallDelta) {
	at := index{choice, d.Index}
	found := s.last[at]
	if len(d.ID) > 0 && found != nil {
		if known := s.byID[name{at, string(d.ID)}]; known != nil {
			found = known
		} else if len(d.Name) > 0 && (found.id || found.named) {
			found = nil
		}
	}
	if found == nil {
		if s.count == nil {
			s.count, s.last, s.byID = map[int64]int64{}, map[index]*begun{}, map[name]*begun{}
		}
		found = &begun{number: s.count[choice]}
		s.count[choice]++
		d.First = true
	}
	s.last[at] = found
	if len(d.ID) > 0 && !found.id {
		s.byID[name{at, string(d.ID)}] = found
	}
	found.id, found.named = found.id || len(d.ID) > 0, found.named || len(d.Name) > 0
	d.Index = found.number
}
