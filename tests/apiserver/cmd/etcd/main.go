// One etcd member on loopback for the end-to-end tests, and the call that compacts it by hand.
//
//	etcd serve --data-dir DIR --client-port N --peer-port N
//	etcd compact --endpoint http://127.0.0.1:N
//	etcd version
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

const (
	startTimeout   = 60 * time.Second
	compactTimeout = 20 * time.Second
	// What kubeadm sets, so that watches learn of progress as often as they do in a real cluster.
	progressInterval = 5 * time.Second
	// Left at zero, every request would be logged as a slow one.
	slowRequest = 300 * time.Millisecond
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("etcd: ")
	if len(os.Args) < 2 {
		log.Fatal("usage: etcd serve|compact|version")
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func run(command string, args []string) error {
	switch command {
	case "serve":
		return serve(args)
	case "compact":
		return compact(args)
	case "version":
		fmt.Println(version.Version)
		return nil
	}
	return fmt.Errorf("unknown command %q", command)
}

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	dir := flags.String("data-dir", "", "data directory (required)")
	clientPort := flags.Int("client-port", 0, "client port on 127.0.0.1 (required)")
	peerPort := flags.Int("peer-port", 0, "peer port on 127.0.0.1 (required)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || *clientPort == 0 || *peerPort == 0 {
		return fmt.Errorf("serve needs --data-dir, --client-port and --peer-port")
	}

	config := embed.NewConfig()
	config.Name = "only"
	config.Dir = *dir
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback(*clientPort), loopback(*clientPort)
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback(*peerPort), loopback(*peerPort)
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.LogLevel = "warn"
	config.WatchProgressNotifyInterval = progressInterval
	config.WarningUnaryRequestDuration = slowRequest
	// A killed process keeps what the kernel has; only a power cut would lose it.
	config.UnsafeNoFsync = true

	member, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer member.Close()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	select {
	case <-member.Server.ReadyNotify():
	case <-stop:
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("not ready within %v", startTimeout)
	}
	select {
	case <-stop:
		return nil
	case err := <-member.Err():
		return err
	case <-member.Server.StopNotify():
		return fmt.Errorf("the member stopped by itself")
	}
}

func loopback(port int) []url.URL {
	return []url.URL{{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}}
}

// compact drops every revision but the newest, and prints the revision that it compacted at.
func compact(args []string) error {
	flags := flag.NewFlagSet("compact", flag.ExitOnError)
	endpoint := flags.String("endpoint", "", "the member's client URL (required)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: compactTimeout})
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), compactTimeout)
	defer cancel()
	now, err := client.Get(ctx, "any", clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if _, err := client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return err
	}
	fmt.Println(now.Header.Revision)
	return nil
}
