package watch_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gatehouse/internal/watch"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "greeting")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		panic(err)
	}

	file, err := watch.Open(watch.Options{
		Name: "greeting", Path: path, Every: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
		Apply: func(content []byte) error {
			fmt.Printf("%s is in force\n", content)
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	// In a process: go file.Run(ctx). SIGHUP calls Reload.
	if err := os.WriteFile(path, []byte("good day"), 0o600); err != nil {
		panic(err)
	}
	fmt.Println(file.Reload())
	// Output:
	// hello is in force
	// good day is in force
	// <nil>
}
