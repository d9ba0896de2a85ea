// A proxy as one writes it in Go: for TCP two goroutines for each connection, one copy loop in each.
//
// The peer `go-proxy`: tcp|http|http-bare FRONT_PORT ORIGIN_PORT [CERTIFICATE KEY]. GOMAXPROCS is
// set by whoever starts it; http-bare adds nothing to requests. With TCP, io.Copy uses splice where
// the kernel allows it, which is what a user of the standard library gets; with a certificate the
// front speaks TLS by crypto/tls, and bytes are copied.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
)

// What a TCP connection and a TLS connection have in common.
type stream interface {
	net.Conn
	CloseWrite() error
}

func reset(connection stream) {
	tcp, isPlain := connection.(*net.TCPConn)
	if !isPlain {
		tcp = connection.(*tls.Conn).NetConn().(*net.TCPConn)
	}
	tcp.SetLinger(0)
	tcp.Close()
}

func relay(from, to stream, done chan<- struct{}) {
	_, err := io.Copy(to, from)
	if err != nil {
		reset(to)
	} else {
		to.CloseWrite()
	}
	done <- struct{}{}
}

func serve(client stream, origin string) {
	defer client.Close()
	connection, err := net.Dial("tcp", origin)
	if err != nil {
		return
	}
	upstream := connection.(*net.TCPConn)
	defer upstream.Close()
	done := make(chan struct{}, 2)
	go relay(client, upstream, done)
	relay(upstream, client, done)
	<-done
	<-done
}

func listen(args []string) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	if err != nil || len(args) < 4 {
		return listener, err
	}
	pair, err := tls.LoadX509KeyPair(args[2], args[3])
	if err != nil {
		return nil, err
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}}), nil
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: go-proxy tcp|http|http-bare FRONT ORIGIN [CERTIFICATE KEY]")
		os.Exit(2)
	}
	protocol, origin := os.Args[1], "127.0.0.1:"+os.Args[3]
	listener, err := listen(os.Args[2:])
	if err == nil && protocol != "tcp" {
		err = serveHTTP(listener, origin, protocol == "http-bare")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			continue
		}
		go serve(client.(stream), origin)
	}
}
