// An origin on Go's net/http for the differential test of the HTTP/1.1 codec.
//
// It says on its output which port it listens on, and answers each request with the header X-Seen:
// the method, the target as it came and the bytes of content, as hexadecimal text.
// Invariant: it reads every request whole before it answers; it ends with its input.
package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

func answer(response http.ResponseWriter, request *http.Request) {
	count, err := io.Copy(io.Discard, request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	seen := fmt.Sprintf("%s %s %d", request.Method, request.RequestURI, count)
	response.Header().Set("X-Seen", hex.EncodeToString([]byte(seen)))
}

func main() {
	log.SetOutput(io.Discard)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	origin := http.Server{Handler: http.HandlerFunc(answer), DisableGeneralOptionsHandler: true}
	origin.Serve(listener)
}
