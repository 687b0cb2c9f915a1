package nfe

import "time"

// Timestamp is a moment as text in RFC 3339 with its offset, such as
// "2026-07-14T10:30:00-03:00". The offset is part of the data: the month in an
// access key is the month where the issuer is. It holds whatever was given;
// [Timestamp.Time] tells whether that is a moment.
type Timestamp string

// Time returns the moment in the offset it was written with.
func (t Timestamp) Time() (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, string(t))
	return at, err == nil && at.Year() >= 1 // year 0 has no month in a key
}

// NewTimestamp writes a moment with the precision of the layout, seconds.
func NewTimestamp(t time.Time) Timestamp { return Timestamp(t.Format(time.RFC3339)) }
