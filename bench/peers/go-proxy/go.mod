module holdfast/bench/go-proxy

go 1.21
