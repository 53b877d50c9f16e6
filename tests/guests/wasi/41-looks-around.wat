;; attacks = [41, 35]
;; does = "looks for the host in WASI: variables, arguments, folders, standard input, a socket, a name to look up"
;; role = "transform"
;; asks = ["wasi"]
;; goes-on = "WASI is empty: no variables, no arguments, no folders, closed input, no sockets, no look-up"
;; apart = { refused = "a plugin that imports WASI cannot have a process of its own" }
;; -- imports
(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
(import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
(import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
(import "wasi:io/streams@0.2.0" "[method]input-stream.read" (func $in (param i32 i64 i32)))
(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $folders (param i32)))
(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
(import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses"
  (func $resolve (param i32 i32 i32 i32)))
(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
;; -- items
(data (i32.const 4096) "canary-forged-6c0e.evil.test")
;; -- on-batch
(call $environment (i32.const 2048))
(if (i32.load (i32.const 2052)) (then (unreachable)))
(call $arguments (i32.const 2048))
(if (i32.load (i32.const 2052)) (then (unreachable)))
(call $folders (i32.const 2048))
(if (i32.load (i32.const 2052)) (then (unreachable)))
(call $in (call $stdin) (i64.const 10) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 1)) (then (unreachable)))
(call $socket (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(call $resolve (call $network) (i32.const 4096) (i32.const 28) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
;; -- wit
package test:guest;

world guest {
  include bulkhead:plugin/transform-plugin@0.1.0;
  import wasi:cli/environment@0.2.0;
  import wasi:cli/stdin@0.2.0;
  import wasi:filesystem/preopens@0.2.0;
  import wasi:sockets/instance-network@0.2.0;
  import wasi:sockets/ip-name-lookup@0.2.0;
  import wasi:sockets/tcp-create-socket@0.2.0;
}

package wasi:io@0.2.0 {
  interface error { resource error; }
  interface poll { resource pollable { block: func(); } }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream {
      read: func(len: u64) -> result<list<u8>, stream-error>;
    }
    resource output-stream {
      blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    }
  }
}

package wasi:cli@0.2.0 {
  interface environment {
    get-environment: func() -> list<tuple<string, string>>;
    get-arguments: func() -> list<string>;
  }
  interface stdin {
    use wasi:io/streams@0.2.0.{input-stream};
    get-stdin: func() -> input-stream;
  }
}

package wasi:filesystem@0.2.0 {
  interface types { resource descriptor; }
  interface preopens {
    use types.{descriptor};
    get-directories: func() -> list<tuple<descriptor, string>>;
  }
}

package wasi:sockets@0.2.0 {
  interface network {
    resource network;
    enum error-code { unknown, access-denied }
    enum ip-address-family { ipv4, ipv6 }
  }
  interface instance-network {
    use network.{network};
    instance-network: func() -> network;
  }
  interface ip-name-lookup {
    use network.{network, error-code};
    resource resolve-address-stream;
    resolve-addresses: func(network: borrow<network>, name: string)
      -> result<resolve-address-stream, error-code>;
  }
  interface tcp { resource tcp-socket; }
  interface tcp-create-socket {
    use network.{error-code, ip-address-family};
    use tcp.{tcp-socket};
    create-tcp-socket: func(address-family: ip-address-family)
      -> result<tcp-socket, error-code>;
  }
}
