;; attacks = [32]
;; does = "a sink whose destination answers with a redirect to a metadata service"
;; role = "sink"
;; asks = ["outbound-http"]
;; goes-on = "the redirect is an answer like any other: nobody follows it"
;; -- memory
2
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/redirect")
;; -- on-batch
(call $send (i32.const 4096) (i32.const 3) (i32.const 1) (i32.const 8192) (i32.const 9)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(if (i32.ne (i32.load16_u (i32.const 2052)) (i32.const 302)) (then (unreachable)))
