;; attacks = [12]
;; does = "sleeps for an hour, where it has a clock"
;; role = "transform"
;; asks = ["wasi", "clock"]
;; limits = { call-ms = 300 }
;; dies = "plugin-call"
;; apart = { refused = "a plugin that imports WASI cannot have a process of its own" }
;; -- imports
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
  (func $sleep (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
;; -- on-batch
(call $block (call $sleep (i64.const 3600000000000)))
;; -- wit
package test:guest;

world guest {
  include bulkhead:plugin/transform-plugin@0.1.0;
  import wasi:clocks/monotonic-clock@0.2.0;
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

package wasi:clocks@0.2.0 {
  interface monotonic-clock {
    use wasi:io/poll@0.2.0.{pollable};
    now: func() -> u64;
    subscribe-duration: func(when: u64) -> pollable;
  }
}
