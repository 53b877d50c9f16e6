;; attacks = [12]
;; does = "a sink that waits for an answer which does not come"
;; role = "sink"
;; asks = ["outbound-http"]
;; limits = { call-ms = 3000 }
;; counts = { http-requests = 1 }
;; dies = "plugin-call"
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "slow")
(data (i32.const 8192) "/silent")
;; -- on-batch
(call $send (i32.const 4096) (i32.const 4) (i32.const 1) (i32.const 8192) (i32.const 7)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
