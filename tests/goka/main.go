// Goka's side of the tests that it and Millstream read each other's tables.
//
//	goka count <brokers> <group> <input>     keeps a table that counts records by key, until SIGTERM
//	goka view <brokers> <table> <key>...     prints `key=value` for each key, once the view has what is in the topic
//	goka emit <brokers> <topic> <key>...     emits a record with an empty value for each key
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
)

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: goka count|view|emit <brokers> <name> ...")
	}
	config := goka.DefaultConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	goka.ReplaceGlobalConfig(config)
	deed, brokers, name, rest := os.Args[1], strings.Split(os.Args[2], ","), os.Args[3], os.Args[4:]
	var err error
	switch deed {
	case "count":
		err = count(brokers, goka.Group(name), goka.Stream(rest[0]))
	case "view":
		err = view(brokers, goka.Table(name), rest)
	case "emit":
		err = emit(brokers, goka.Stream(name), rest)
	default:
		err = fmt.Errorf("there is no deed %q", deed)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func count(brokers []string, group goka.Group, input goka.Stream) error {
	graph := goka.DefineGroup(group,
		goka.Input(input, new(codec.String), func(ctx goka.Context, _ interface{}) {
			counted, _ := ctx.Value().(int64)
			ctx.SetValue(counted + 1)
		}),
		goka.Persist(new(codec.Int64)))
	topics := goka.NewTopicManagerConfig()
	topics.Table.Replication, topics.Stream.Replication = 1, 1
	processor, err := goka.NewProcessor(brokers, graph,
		goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithTopicManagerConfig(topics)),
		goka.WithStorageBuilder(storage.MemoryBuilder()))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return processor.Run(ctx)
}

func view(brokers []string, table goka.Table, keys []string) error {
	view, err := goka.NewView(brokers, table, new(codec.Int64), goka.WithViewStorageBuilder(storage.MemoryBuilder()))
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- view.Run(ctx) }()
	select {
	case <-view.WaitRunning():
	case err := <-ended:
		return fmt.Errorf("the view ended before it was recovered: %w", err)
	}
	for _, key := range keys {
		value, err := view.Get(key)
		if err != nil {
			return err
		}
		fmt.Printf("%s=%v\n", key, value)
	}
	return nil
}

func emit(brokers []string, topic goka.Stream, keys []string) error {
	emitter, err := goka.NewEmitter(brokers, topic, new(codec.String))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := emitter.EmitSync(key, ""); err != nil {
			return err
		}
	}
	return emitter.Finish()
}
