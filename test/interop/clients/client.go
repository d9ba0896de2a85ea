// TLS by Go's crypto/tls: handshake, echo of a mebibyte, half-close. Prints one line of JSON.
//
// Usage: client PORT CA VERSION. Go answers KeyUpdates but starts none.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"os"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	port, ca, version := os.Args[1], os.Args[2], uint16(tls.VersionTLS13)
	if os.Args[3] == "TLSv1.2" {
		version = tls.VersionTLS12
	}
	pem, err := os.ReadFile(ca)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{
		RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version,
	})
	check(err)
	sent := bytes.Repeat([]byte("holdfast"), 128*1024)
	go func() {
		_, err := conn.Write(sent)
		check(err)
	}()
	heard := make([]byte, len(sent))
	_, err = io.ReadFull(conn, heard)
	check(err)
	_, err = conn.Write([]byte("last"))
	check(err)
	check(conn.CloseWrite())
	last, err := io.ReadAll(conn)
	check(err)
	state := conn.ConnectionState()
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"handshake": tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite) +
			" " + state.CurveID.String(),
		"echo":      bytes.Equal(sent, heard),
		"halfClose": string(last) == "last",
		"update":    nil,
	}))
}
