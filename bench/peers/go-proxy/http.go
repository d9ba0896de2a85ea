// The same peer for HTTP/1.1 and WebSocket: the standard library's ReverseProxy.
//
// Beyond its defaults: connections to the origin are kept (the transport keeps two otherwise), and
// copy buffers come from a pool.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

const (
	keptConnections = 1024
	bufferBytes     = 32 * 1024
)

// Lends buffers to the copy loops of the proxy.
type bufferPool struct{ buffers sync.Pool }

func (pool *bufferPool) Get() []byte {
	return *pool.buffers.Get().(*[]byte)
}

func (pool *bufferPool) Put(buffer []byte) {
	pool.buffers.Put(&buffer)
}

func newBufferPool() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any {
		buffer := make([]byte, bufferBytes)
		return &buffer
	}}}
}

func serveHTTP(listener net.Listener, origin string, isBare bool) error {
	target := &url.URL{Scheme: "http", Host: origin}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			request.Out.Host = request.In.Host
			if !isBare {
				request.SetXForwarded()
			}
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: keptConnections,
			DisableCompression:  true,
		},
		BufferPool: newBufferPool(),
		ErrorLog:   log.New(io.Discard, "", 0),
	}
	return http.Serve(listener, proxy)
}
