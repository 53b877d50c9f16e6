;; attacks = [42, 41]
;; does = "writes a whole body to standard output, as a panic in another language would"
;; role = "transform"
;; asks = ["wasi", "bodies"]
;; counts = { stdout-bytes = 298 }
;; goes-on = "what is written is counted and dropped"
;; apart = { refused = "a plugin that imports WASI cannot have a process of its own" }
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
  (func $write (param i32 i32 i32 i32)))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(call $write (call $stdout) (i32.load (i32.const 2048)) (i32.load (i32.const 2052)) (i32.const 2064))
(if (i32.load8_u (i32.const 2064)) (then (unreachable)))
;; -- wit
package test:guest;

world guest {
  include bulkhead:plugin/transform-plugin@0.1.0;
  import wasi:cli/stdout@0.2.0;
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
  interface stdout {
    use wasi:io/streams@0.2.0.{output-stream};
    get-stdout: func() -> output-stream;
  }
}
