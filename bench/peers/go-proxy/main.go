// A TCP proxy as one writes it in Go: two goroutines for each connection, one copy loop in each.
//
// The peer `go-proxy`: FRONT_PORT ORIGIN_PORT. GOMAXPROCS is set by whoever starts it. io.Copy uses splice
// where the kernel allows it, which is what a user of the standard library gets.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func relay(from, to *net.TCPConn, done chan<- struct{}) {
	_, err := io.Copy(to, from)
	if err != nil {
		to.SetLinger(0)
		to.Close()
	} else {
		to.CloseWrite()
	}
	done <- struct{}{}
}

func serve(client *net.TCPConn, origin string) {
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

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			continue
		}
		go serve(client.(*net.TCPConn), "127.0.0.1:"+os.Args[2])
	}
}
