package edge

import (
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// dial notes the deadlines that a connection is given, and reads nothing.
type dial struct {
	net.Conn
	reading, writing []time.Time
	set              func() // is called before a deadline of reading is set
}

func (d *dial) Read([]byte) (int, error) { return 0, nil }

func (d *dial) SetReadDeadline(t time.Time) error {
	if set := d.set; set != nil {
		d.set = nil
		set()
	}
	d.reading = append(d.reading, t)
	return nil
}

func (d *dial) SetWriteDeadline(t time.Time) error {
	d.writing = append(d.writing, t)
	return nil
}

// since returns the deadlines as times since a moment.
func since(start time.Time, list []time.Time) (durations []time.Duration) {
	for _, t := range list {
		durations = append(durations, t.Sub(start))
	}
	return durations
}

func TestWriteDeadlinesThatStandAreLeft(t *testing.T) {
	t.Parallel()
	d := &dial{}
	c := &Conn{Conn: d, limits: &Connections{sendTimeout: 32 * time.Second}} // a second of slack
	start := time.Now()
	for _, after := range []time.Duration{30e9, 30e9, 31e9, 32e9, 5e9, 5e9} {
		if err := c.SetWriteDeadline(start.Add(after)); err != nil {
			t.Error(err)
		}
	}
	if got := since(start, d.writing); !slices.Equal(got, []time.Duration{31e9, 33e9, 6e9}) {
		t.Errorf("got %v", got)
	}
	if err := c.SetWriteDeadline(time.Time{}); err != nil || !d.writing[3].IsZero() {
		t.Errorf("none is not none: %v", err)
	}
	if err := c.SetWriteDeadline(start.Add(5 * time.Second)); err != nil || len(d.writing) != 5 {
		t.Errorf("none stands for one: %v", err)
	}
}

func TestReadDeadlinesAreSetByTheReadThatWaits(t *testing.T) {
	t.Parallel()
	d := &dial{}
	c := &Conn{Conn: d, socket: someSocket{}, limits: &Connections{parkAfter: time.Second, idleTimeout: time.Minute, receiveTimeout: 15 * time.Second}}
	start := time.Now()
	read := func(after time.Duration) {
		t.Helper()
		if err := c.SetReadDeadline(start.Add(after)); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(nil); err != nil {
			t.Error(err)
		}
	}
	c.state.Store(int32(active))
	read(15 * time.Second)
	read(15 * time.Second)
	read(16 * time.Second) // not a moment later than asked for
	for range 3 {
		if err := c.SetReadDeadline(start.Add(time.Hour)); err != nil { // and nothing is read
			t.Error(err)
		}
	}
	c.state.Store(int32(idle))
	// The server waits for a minute, and of that a second, or a little more.
	read(time.Minute)
	read(time.Minute + 400*time.Millisecond)
	read(time.Minute + 600*time.Millisecond)
	want := []time.Duration{15e9, 16e9, 1.5e9, 2.1e9}
	if got := since(start, d.reading); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A body that is to be read no further is not, whatever deadline is set meanwhile.
func TestHaltStays(t *testing.T) {
	t.Parallel()
	d := &dial{}
	c := &Conn{Conn: d, limits: &Connections{}}
	c.state.Store(int32(active))
	read := func(after time.Duration) {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(after)); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(nil); err != nil {
			t.Error(err)
		}
		if last := d.reading[len(d.reading)-1]; !last.Equal(past) {
			t.Errorf("the next read ends %v", last)
		}
	}
	d.set = func() {
		if err := c.halt(); err != nil {
			t.Error(err)
		}
	}
	read(time.Minute)
	read(time.Hour)

	// The next request is read again.
	track(c, fasthttp.StateIdle)
	end := time.Now().Add(time.Hour)
	if err := c.SetReadDeadline(end); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(nil); err != nil || !d.reading[len(d.reading)-1].Equal(end) {
		t.Errorf("the next request must be here by %v, %v", d.reading[len(d.reading)-1], err)
	}
}

// someSocket stands for one that can be parked.
type someSocket struct{ syscall.RawConn }
