;; attacks = [28, 12]
;; does = "a sink that waits in the host over two records, until its call is given up; dies if it is called again"
;; role = "sink"
;; asks = ["outbound-http"]
;; limits = { call-ms = 60000 }
;; goes-on = "the request ends with the call, and the file starts again in a fresh guest"
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(global $begun (mut i32) (i32.const 0))
(data (i32.const 4096) "slow")
(data (i32.const 8192) "/silent")
;; -- on-batch
(if (global.get $begun) (then (unreachable)))
(global.set $begun (i32.const 1))
(if (i32.eq (local.get $len) (i32.const 2)) (then
(call $send (i32.const 4096) (i32.const 4) (i32.const 1) (i32.const 8192) (i32.const 7)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))))
