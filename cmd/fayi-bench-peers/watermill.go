package main

import (
	"context"
	"database/sql"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
)

// Tuned: 500 messages a query instead of 100, looked for every 10 ms instead of every second.
const (
	watermillBatch = 500
	watermillPoll  = 10 * time.Millisecond
	topic          = "records"
)

var watermillSchema = wsql.DefaultMySQLSchema{SubscribeBatchSize: watermillBatch}

var watermillPeer = peer{
	module: "github.com/ThreeDotsLabs/watermill-sql/v4",
	setup: func(ctx context.Context, db *sql.DB) error {
		sub, err := watermillSubscriber(db)
		if err != nil {
			return err
		}
		defer sub.Close()
		return sub.SubscribeInitialize(topic)
	},
	fill: func(ctx context.Context, db *sql.DB, records [][]byte) error {
		pub, err := wsql.NewPublisher(wsql.BeginnerFromStdSQL(db), wsql.PublisherConfig{SchemaAdapter: watermillSchema}, nil)
		if err != nil {
			return err
		}
		for len(records) > 0 {
			n := min(200, len(records))
			msgs := make([]*message.Message, n)
			for i := range msgs {
				msgs[i] = message.NewMessage(watermill.NewUUID(), records[i])
			}
			if err := pub.Publish(topic, msgs...); err != nil {
				return err
			}
			records = records[n:]
		}
		return nil
	},
	publish: func(ctx context.Context, db *sql.DB, record []byte) error {
		return inBusiness(ctx, db, func(tx *sql.Tx) error {
			pub, err := wsql.NewPublisher(wsql.TxFromStdSQL(tx), wsql.PublisherConfig{SchemaAdapter: watermillSchema}, nil)
			if err != nil {
				return err
			}
			return pub.Publish(topic, message.NewMessage(watermill.NewUUID(), record))
		})
	},
	relay: func(ctx context.Context, db *sql.DB, post func([]byte) error) error {
		sub, err := watermillSubscriber(db)
		if err != nil {
			return err
		}
		defer sub.Close()
		msgs, err := sub.Subscribe(ctx, topic)
		if err != nil {
			return err
		}
		for m := range msgs {
			if err := post(m.Payload); err != nil {
				m.Nack()
				continue
			}
			m.Ack()
		}
		return nil
	},
}

func watermillSubscriber(db *sql.DB) (*wsql.Subscriber, error) {
	return wsql.NewSubscriber(wsql.BeginnerFromStdSQL(db), wsql.SubscriberConfig{
		ConsumerGroup: "bench", PollInterval: watermillPoll, SchemaAdapter: watermillSchema,
		OffsetsAdapter: wsql.DefaultMySQLOffsetsAdapter{}, InitializeSchema: true,
	}, nil)
}
