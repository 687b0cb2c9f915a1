package load

import "testing"

func TestAnswerLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                               -1,
		"HTTP/1.1 200 OK\r\nContent-Len": -1,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n":      19 + 17 + 2 + 5,
		"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello": 19 + 17 + 2 + 5,
		"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n":      25 + 11 + 2,
	} {
		if got := answerLength([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
