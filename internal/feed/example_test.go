package feed_test

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/internal/feed"
	"gatehouse/internal/redisconn"
)

// A gateway follows the feed for as long as it runs.
func ExampleFollower() {
	follow := func(ctx context.Context, client *redisconn.Client, log *slog.Logger) *feed.Follower {
		f := feed.NewFollower(feed.Options{
			Client: client, Log: log, Now: time.Now,
			Apply: func(items []feed.Item) {
				for _, item := range items {
					log.Debug("heard", "kind", item.Kind, "key", item.Key)
				}
			},
		})
		go f.Run(ctx)
		return f
	}
	_ = follow
}

// A backend publishes after a commit, and tells everything anew when Redis has
// lost it.
func ExamplePublisher() {
	logout := func(ctx context.Context, p *feed.Publisher, session string) {
		// The transaction has been committed.
		p.Publish(ctx, feed.Item{Kind: feed.Session, Key: session, Expires: time.Now().Add(time.Hour)})
	}
	_ = logout
}
