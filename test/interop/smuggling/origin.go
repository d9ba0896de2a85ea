// An origin of Go's net/http: it passes each request that it read whole on to a sink.
//
// Path: origins.ts builds and starts it. Arguments: the address to listen at, the URL of the sink.
// Invariant: method, target and content reach the sink as net/http read them, each request on a
// connection of its own; a request that was cut off is not passed on.
package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
)

func main() {
	sink := os.Args[2]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer := func(response http.ResponseWriter, request *http.Request) {
		content, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(response, "cut off", http.StatusBadRequest)
			return
		}
		onward, err := http.NewRequest(request.Method, sink+request.RequestURI, bytes.NewReader(content))
		if err != nil {
			http.Error(response, "not understood", http.StatusBadRequest)
			return
		}
		answered, err := client.Do(onward)
		if err != nil {
			http.Error(response, "no sink", http.StatusBadGateway)
			return
		}
		defer answered.Body.Close()
		response.WriteHeader(answered.StatusCode)
		io.Copy(response, answered.Body)
	}
	panic(http.ListenAndServe(os.Args[1], http.HandlerFunc(answer)))
}
