package rawjson

// Child is the raw value of a key of an object; nothing of anything else.
func Child(object []byte, name string) []byte {
	c := Cursor{Doc: object}
	if c.Object() {
		for c.Key() {
			at := c.Skip()
			if string(c.Name) == name {
				return at.Of(object)
			}
		}
	}
	return nil
}

// Str is the inside of a string that is the value of a key of an object, as
// escaped as it is; nothing of anything else.
func Str(object []byte, name string) []byte { return Inside(Child(object, name)) }

// Inside is a raw string without its quotes, as escaped as it is; nothing of
// anything else.
func Inside(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// IsObject tells whether a raw value is one.
func IsObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }
